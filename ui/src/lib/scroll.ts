// Browsers cap an element's height (33.5 million pixels in WebKitGTK and Chromium): beyond CAP the scrollbar is scaled. The
// wheel then moves by true pixels, the scrollbar's thumb in proportion.
export const CAP = 8_000_000;

export interface View {
  rows: number;
  rowPx: number;
  viewPx: number;
}

/** Height of the scrolled element. */
export function physicalPx({ rows, rowPx }: View): number {
  return Math.min(rows * rowPx, CAP);
}

function travel(view: View): { real: number; shown: number } {
  return {
    real: Math.max(0, view.rows * view.rowPx - view.viewPx),
    shown: Math.max(0, physicalPx(view) - view.viewPx),
  };
}

/** From the scrollbar's position to pixels below the first row. */
export function toReal(view: View, scrollTop: number): number {
  const { real, shown } = travel(view);
  return shown === 0 ? 0 : real === shown ? scrollTop : (scrollTop / shown) * real;
}

/** From pixels below the first row to the scrollbar's position. */
export function toScroll(view: View, top: number): number {
  const { real, shown } = travel(view);
  return real === 0 ? 0 : real === shown ? top : (top / real) * shown;
}

/** Keeps a position inside. */
export function clamp(view: View, top: number): number {
  return Math.min(Math.max(0, top), travel(view).real);
}

/** The position nearest to `top` at which row `index` is wholly seen. */
export function reveal(view: View, top: number, index: number): number {
  const first = index * view.rowPx;
  if (first < top) return clamp(view, first);
  if (first + view.rowPx > top + view.viewPx) return clamp(view, first + view.rowPx - view.viewPx);
  return top;
}
