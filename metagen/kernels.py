"""What looks at one example, entry of a history or category after the other, compiled: finding their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any  # a numpy array; numba knows its type


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def join(
    cuts: Array,
    user: Array,
    item: Array,
    offsets: Array,
    history: Array,
    item_row: Array,
    users: int,
    rows: int,
    epsilon: float,
) -> tuple[Array, ...]:
    """Runs of examples with their indices among the rows they touch; run after run, steps newest first.

    cuts [runs + 1, k] where each run begins and ends in each step's examples, the newest step first; user [n]
    rows of the user table, of which there are `users`; item [n] and history: item numbers; offsets [n + 1];
    item_row [items] rows of the item table, of which there are `rows`; epsilon: added to a list's length.

    Indices are places among what a run needs of each step: all its steps' rows laid one behind the other,
    where a step's rows are its own and those of the steps before it here, each once. Gives user [m]; item [m]
    and history index: places among the run's items (each step has its own); history offsets [m] from where
    the run begins, and weights; item_row [distinct items]; the distinct items' numbers; the rows of each run,
    of the user and of the item table; sizes [runs, k, 3] examples, entries of histories and distinct items of
    each step; counts [runs, k, 2] rows of user and item table that a step needs.
    """
    runs, k = cuts.shape[0] - 1, cuts.shape[1]
    m, entries = 0, 0
    for s in range(k):
        m += cuts[runs, s] - cuts[0, s]
        entries += offsets[cuts[runs, s]] - offsets[cuts[0, s]]
    out_user, out_item, out_offset = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    out_history, out_weight = np.empty(entries, np.int64), np.empty(entries, np.float32)
    distinct, out_row = np.empty(m + entries, np.int64), np.empty(m + entries, np.int64)
    user_rows, item_rows = np.empty(m, np.int64), np.empty(m + entries, np.int64)
    sizes, counts = np.zeros((runs, k, 3), np.int64), np.zeros((runs, k, 2), np.int64)

    # The run, or the run and step, in which each was met last, and its place there.
    user_met, user_at = np.full(users, -1, np.int64), np.empty(users, np.int64)
    row_met, row_at = np.full(rows, -1, np.int64), np.empty(rows, np.int64)
    item_met, item_at = np.full(len(item_row), -1, np.int64), np.empty(len(item_row), np.int64)

    x, y, z, u, r = 0, 0, 0, 0, 0  # written: examples, entries, distinct items, rows of users and of items
    for run in range(runs):
        y_run, z_run, u_run, r_run = y, z, u, r
        u_start, r_start = 0, 0
        for s in range(k):
            x_step, y_step, z_step, met = x, y, z, run * k + s
            for e in range(cuts[run, s], cuts[run + 1, s]):
                row = user[e]
                if user_met[row] != run:
                    user_met[row], user_at[row], user_rows[u] = run, u - u_run, row
                    u += 1
                out_user[x] = u_start + user_at[row]
                one = item[e]
                if item_met[one] != met:
                    item_met[one], item_at[one], distinct[z] = met, z - z_run, one
                    z += 1
                out_item[x] = item_at[one]
                out_offset[x] = y - y_run
                x += 1
                weight = np.float32(1.0 / (offsets[e + 1] - offsets[e] + epsilon))
                for place in range(offsets[e], offsets[e + 1]):
                    one = history[place]
                    if item_met[one] != met:
                        item_met[one], item_at[one], distinct[z] = met, z - z_run, one
                        z += 1
                    out_history[y], out_weight[y] = item_at[one], weight
                    y += 1
            for place in range(z_step, z):
                row = item_row[distinct[place]]
                if row_met[row] != run:
                    row_met[row], row_at[row], item_rows[r] = run, r - r_run, row
                    r += 1
                out_row[place] = r_start + row_at[row]
            sizes[run, s, 0], sizes[run, s, 1], sizes[run, s, 2] = x - x_step, y - y_step, z - z_step
            counts[run, s, 0], counts[run, s, 1] = u - u_run, r - r_run
            u_start += u - u_run
            r_start += r - r_run
    history_lists = (out_history, out_offset, out_weight)
    return (
        out_user, out_item, history_lists, out_row[:z], distinct[:z],
        user_rows[:u], item_rows[:r], sizes, counts,
    )  # fmt: skip


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def join_categories(
    distinct: Array, items: Array, offsets: Array, category: Array, rows: int, epsilon: float
) -> tuple[Array, ...]:
    """The categories of the items that `join` found, with their indices among the rows of the runs.

    distinct: item numbers; items [runs, k] how many each step has; offsets [items + 1] and category: rows of
    the category table, of which there are `rows`. Gives the lists' index, offsets [len(distinct)] from where
    the run begins, and weights; the rows of each run; entries [runs, k]; counts [runs, k] rows a step needs.
    """
    total = 0
    for one in distinct:
        total += offsets[one + 1] - offsets[one]
    index, weight = np.empty(total, np.int64), np.empty(total, np.float32)
    begins, run_rows = np.empty(len(distinct), np.int64), np.empty(total, np.int64)
    entries, counts = np.zeros(items.shape, np.int64), np.zeros(items.shape, np.int64)
    row_met, row_at = np.full(rows, -1, np.int64), np.empty(rows, np.int64)
    place, w, c = 0, 0, 0
    for run in range(items.shape[0]):
        w_run, c_run, start = w, c, 0
        for s in range(items.shape[1]):
            w_step = w
            for _ in range(items[run, s]):
                one = distinct[place]
                begins[place] = w - w_run
                place += 1
                share = np.float32(1.0 / (offsets[one + 1] - offsets[one] + epsilon))
                for at in range(offsets[one], offsets[one + 1]):
                    row = category[at]
                    if row_met[row] != run:
                        row_met[row], row_at[row], run_rows[c] = run, c - c_run, row
                        c += 1
                    index[w], weight[w] = start + row_at[row], share
                    w += 1
            entries[run, s], counts[run, s] = w - w_step, c - c_run
            start += c - c_run
    return (index, begins, weight), run_rows[:c], entries, counts


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lay_out(rows: Array, counts: Array) -> Array:
    """[Σ counts] the rows that each step of each run needs, newest step first, as row · k + step from 0.

    rows: of each run, one run behind the other; counts [runs, k]: how many of its run's first rows a step
    needs, newest step first, the last of them all.
    """
    runs, k = counts.shape
    places = np.empty(counts.sum(), np.int64)
    begin, at = 0, 0
    for run in range(runs):
        for s in range(k):
            for place in range(begin, begin + counts[run, s]):
                places[at] = rows[place] * k + k - 1 - s
                at += 1
        begin += counts[run, k - 1]
    return places
