// A search is an address: what is searched for stands in the location, so that Back, a bookmark and a reload all work.
import type { SearchRequest } from '../bindings';

/** The filters a person can set. */
export const FILTERS = ['text', 'from', 'to', 'agent', 'queue', 'participant', 'tag', 'interaction', 'vendor', 'media', 'tier', 'direction', 'year', 'matter'] as const;
export type Filter = (typeof FILTERS)[number];

export const FILTER_LABELS: Record<Filter, string> = {
  text: 'Words',
  from: 'From',
  to: 'To',
  agent: 'Agent',
  queue: 'Queue',
  participant: 'Participant',
  tag: 'Tag',
  interaction: 'Interaction id',
  vendor: 'System',
  media: 'Kind',
  tier: 'Storage',
  direction: 'Direction',
  year: 'Year',
  matter: 'Matter',
};

export function emptySearch(): SearchRequest {
  return {
    text: null, from: null, to: null, agent: null, queue: null, participant: null, tag: null, interaction: null, vendor: null,
    media: null, tier: null, direction: null, year: null, matter: null, limit: null, cursor: null, facets: false,
  };
}

/** From the query part of an address. */
export function fromAddress(query: URLSearchParams): SearchRequest {
  const request = emptySearch();
  for (const filter of FILTERS) {
    const value = query.get(filter)?.trim();
    if (!value) continue;
    if (filter === 'year') {
      const year = Number(value);
      if (Number.isInteger(year)) request.year = year;
    } else {
      request[filter] = value;
    }
  }
  return request;
}

/** To the query part of an address; empty filters are left out. */
export function toAddress(request: SearchRequest): string {
  const query = new URLSearchParams();
  for (const filter of FILTERS) {
    const value = request[filter];
    if (value !== null && value !== '') query.set(filter, String(value));
  }
  return query.toString();
}
