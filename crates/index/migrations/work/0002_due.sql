-- Claims look for what is due in a state; counts for how much is in each.
CREATE INDEX work_due ON work (kind, state, due_at, id);
CREATE INDEX work_of_parent_by_state ON work (kind, parent, state);
