//! Invented people, and a small generator so that the same sample archive comes out every time.

/// SplitMix64: small, well mixed, and the same on every machine.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// One of `of`.
    pub(super) fn pick<'a, T: ?Sized>(&mut self, of: &'a [&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

pub(super) const AGENTS: [(&str, &str); 8] = [
    ("dana.whitfield", "Dana Whitfield"),
    ("luis.ortega", "Luis Ortega"),
    ("priya.raman", "Priya Raman"),
    ("tom.becker", "Tom Becker"),
    ("aisha.khan", "Aisha Khan"),
    ("marek.nowak", "Marek Nowak"),
    ("grace.lin", "Grace Lin"),
    ("noah.fischer", "Noah Fischer"),
];

pub(super) const CUSTOMERS: [&str; 12] = [
    "Jane Doe",
    "Robert Hale",
    "Maria Santos",
    "Ken Ito",
    "Olga Petrova",
    "Ahmed Said",
    "Emily Stone",
    "Paul Dubois",
    "Ingrid Berg",
    "Wei Zhang",
    "Sofia Rossi",
    "Daniel Moore",
];

/// Telephone numbers reserved for fiction (NANP 555-01xx).
pub(super) fn telephone(customer: usize) -> String {
    format!("+1202555{:04}", 100 + customer)
}

/// What a dialogue (by index) is about: queue, tags, wrap-up code.
pub(super) const TOPICS: [(&str, &[&str], &str); 4] = [
    ("billing", &["pci"], "refund-promised"),
    ("lending", &["advice"], "offer-sent"),
    ("fraud", &["pci", "fraud"], "account-blocked"),
    ("trading", &["finra", "mifid2"], "order-taken"),
];

pub(super) const VENDORS: [&str; 3] = ["genesys", "cxone", "avaya"];
