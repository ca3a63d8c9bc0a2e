# bench/report.py — the figures beside their budgets.

# what, unit, where in the results, how to judge (at least / at most), the budget
BUDGETS = [
    ("capture + journal / pg_recvlogical", "x", ("inserts", "tarn capture / pg_recvlogical"), ">=", 1.0),
    ("capture + journal / pg_recvlogical, one transaction", "x", ("single transaction", "tarn capture / pg_recvlogical"), ">=", 1.0),
    ("capture + journal, CPU per row", "us", ("inserts", "readers", "tarn capture", "cpu_us_per_row"), "<=", 1.5),
    ("to mirror and changelog / pg_recvlogical", "x", ("inserts", "tarn through / pg_recvlogical"), ">=", 1.0),
    ("to mirror and changelog, CPU per row", "us", ("inserts", "readers", "tarn through", "cpu_us_per_row"), "<=", 3.7),
    ("60/30/10 mix through / pg_recvlogical", "x", ("mixed", "tarn through / pg_recvlogical"), ">=", 0.7),
    ("60/30/10 mix, changes/s", "k/s", ("mixed", "readers", "tarn through", "rows_per_s"), ">=", 100),
    ("snapshot / COPY binary to /dev/null", "x", ("snapshot", "tarn copy / psql COPY binary"), ">=", 0.8),
    ("snapshot / DuckDB to Parquet", "x", ("snapshot", "tarn copy / duckdb to Parquet"), ">=", 1.0),
    ("commit -> published, p50", "ms", ("latency", "default", "p50_ms"), "", None),
    ("commit -> published, p99", "ms", ("latency", "default", "p99_ms"), "<=", 1500),
    ("idle memory, capture only", "MB", ("idle", "capture_only", "idle", "rss_mb"), "<=", 15),
    ("idle memory, all roles", "MB", ("idle", "all_roles", "idle", "rss_mb"), "<=", 64),
    ("start, capture only", "ms", ("idle", "capture_only", "start_ms"), "<=", 50),
    ("start, all roles", "ms", ("idle", "all_roles", "start_ms"), "<=", 50),
]


def find(results, path):
    for key in path:
        if not isinstance(results, dict) or key not in results:
            return None
        results = results[key]
    return results


def text(value, unit):
    return f"{value / 1000:.0f}" if unit == "k/s" else f"{value:.2f}" if unit in ("x", "us") else f"{value:.1f}"


def row(results, what, unit, path, sense, budget):
    value = find(results, path)
    if value is None:
        return None
    several = isinstance(value, dict)
    median = value["median"] if several else value
    shown = text(median, unit) + (f" ({text(value['min'], unit)}-{text(value['max'], unit)})" if several else "")
    judged = median / 1000 if unit == "k/s" else median
    verdict = "" if budget is None else "met" if (judged >= budget if sense == ">=" else judged <= budget) else "SHORT"
    return what, unit, shown, f"{sense} {budget}" if budget is not None else "", verdict


def table(results):
    rows = [("figure", "unit", "median (min-max)", "budget", "")]
    rows += [r for r in (row(results, *b) for b in BUDGETS) if r]
    widths = [max(len(r[i]) for r in rows) for i in range(5)]
    rows.insert(1, tuple("-" * w for w in widths))
    return "\n".join("| " + " | ".join(cell.ljust(w) for cell, w in zip(r, widths)) + " |" for r in rows)
