"""Makes purchases of a shop in a Parquet file, the input of pipelines/bench-1m.toml:
customer_id, txn_timestamp, amount, channel, category, is_local, sorted by time.

    python3 benches/make_txn.py --rows 1000000 --customers 20000 --out data/raw/txn_1m.parquet
"""
import argparse
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHANNELS = np.array(["app", "phone", "store", "web"])
CATEGORIES = np.array(["beauty", "books", "electronics", "fashion", "grocery", "home", "sports", "travel"])
PRICE = np.array([0.8, 0.6, 2.5, 1.3, 0.5, 1.6, 1.2, 3.5])
START = np.datetime64("2022-01-03")
DAYS = 156 * 7
# Kinds of customers: share, purchases, log of the usual amount, chance of buying near home,
# part of the three years in which they are customers, weight of each channel.
GROUPS = [
    (0.06, 4.0, 4.5, 0.60, (0.85, 1.00), (4, 1, 2, 3)),
    (0.22, 2.0, 3.6, 0.80, (0.80, 1.00), (3, 1, 4, 2)),
    (0.27, 1.0, 2.7, 0.70, (0.50, 1.00), (2, 1, 2, 5)),
    (0.20, 0.8, 3.3, 0.60, (0.20, 0.60), (1, 2, 5, 3)),
    (0.25, 1.1, 3.1, 0.65, (0.05, 0.40), (6, 0.2, 1, 3)),
]


def demand(rng):
    """How much is bought on each day, up to each day, as a share of all: weekly and yearly seasons, growth."""
    day = np.arange(DAYS)
    week = np.array([0.90, 0.85, 0.90, 1.00, 1.25, 1.40, 1.10])[day % 7]
    year = 1 + 0.3 * np.cos(2 * np.pi * (day - 340) / 365.25) + 1.1 * np.exp(-0.5 * ((day % 365 - 335) / 12) ** 2)
    weight = week * year * (1 + 0.25 * day / DAYS) * rng.lognormal(0, 0.05, DAYS)
    return np.concatenate([[0.0], np.cumsum(weight) / weight.sum()])


def purchases(rows, customers, seed):
    rng = np.random.default_rng(seed)
    shares, rates, levels, near, lives, channels = zip(*GROUPS)
    group = rng.choice(len(GROUPS), customers, p=shares)
    low, high = np.array(lives)[group].T
    life = rng.uniform(low, high)
    # The fourth group leaves early, the last one comes late.
    begin = np.where(group == 3, rng.uniform(0, 0.3, customers), (1 - life) * np.where(group == 4, 1, rng.random(customers)))
    end = np.minimum(begin + life, 1)
    weight = np.array(rates)[group] * rng.gamma(2.0, 0.5, customers) * (end - begin)
    customer = np.repeat(np.arange(customers), rng.multinomial(rows, weight / weight.sum()))
    of = group[customer]

    bought = demand(rng)
    first, last = (np.interp(at * DAYS, np.arange(DAYS + 1), bought) for at in (begin, end))
    at = first[customer] + rng.random(rows) * (last - first)[customer]
    day = np.clip(np.searchsorted(bought, at, side="right") - 1, 0, DAYS - 1)
    hour = np.clip(rng.normal(15, 4, rows), 0, 23.99)
    stamp = START.astype("datetime64[s]") + (day * 86_400 + hour * 3_600).astype("timedelta64[s]")

    def drawn(weights):
        """One choice a row, by the weights of its group."""
        upto = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)[of]
        return (rng.random(rows)[:, None] > upto[:, :-1]).sum(axis=1)

    channel = drawn(np.array(channels))
    category = drawn(rng.dirichlet(np.full(len(CATEGORIES), 2.0), len(GROUPS)))
    taste = rng.normal(0, 0.3, customers)[customer]
    amount = np.exp(np.array(levels)[of] + taste + 0.55 * rng.standard_normal(rows)) * PRICE[category]
    order = np.argsort(stamp, kind="stable")
    return pa.table({
        "customer_id": pa.array(customer[order], pa.int64()),
        "txn_timestamp": pa.array(stamp[order].astype("datetime64[us]")),
        "amount": pa.array(np.maximum(np.round(amount, 2), 0.01)[order]),
        "channel": pa.array(CHANNELS[channel[order]]),
        "category": pa.array(CATEGORIES[category[order]]),
        "is_local": pa.array((rng.random(rows) < np.array(near)[of])[order]),
    })


def write(path, rows, customers, seed=42):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(purchases(rows, customers, seed), path)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--customers", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=42)
    arguments.add_argument("--out", default="data/raw/txn_1m.parquet")
    given = arguments.parse_args()
    write(given.out, given.rows, given.customers, given.seed)
