"""The work of pipelines/bench-1m.toml as a plain Python script, with the libraries one would take for it.

    script.py all FILE OUT [--k 6]     everything in one process, in memory; seconds of each part in OUT/seconds.json
    script.py PART FILE OUT [--k 6]    one part, inputs and outputs as files in OUT: what a DVC stage runs
"""
import argparse
import json
import pathlib
import pickle
import time

START = time.perf_counter()
SEED, HORIZON, FOLDS, SEASON, CHURN_DAYS = 42, 12, 5, 52, 90
CHANNELS = ["app", "phone", "store", "web"]
CATEGORIES = ["beauty", "books", "electronics", "fashion", "grocery", "home", "sports", "travel"]
BEHAVIOUR = ["recency", "frequency", "monetary", "mean_amount", "tenure", "mean_gap", "std_gap", "local_share"]
SKEWED = ["frequency", "monetary", "mean_amount", "mean_gap", "std_gap"]


def read(path):
    import pandas as pd
    return pd.read_parquet(path)


def check(rows):
    """The eight rules of the pipeline; ends the script when one of severity error is broken."""
    stamp, amount = rows["txn_timestamp"], rows["amount"]
    errors = {
        "missing": int(rows.isna().sum().sum()),
        "below": int((amount < 0.01).sum()),
        "channel": int((~rows["channel"].isin(CHANNELS)).sum()),
        "category": int((~rows["category"].isin(CATEGORIES)).sum()),
    }
    days = stamp.dt.normalize().drop_duplicates().sort_values()
    middle = amount.median()
    deviation = 1.4826 * (amount - middle).abs().median()
    warnings = {
        "gap_days": int(days.diff().dt.days.max() - 1),
        "outliers": int(((amount - middle).abs() > 6 * deviation).sum()),
        "duplicates": int(rows.duplicated(["customer_id", "txn_timestamp", "amount"]).sum()),
    }
    if any(errors.values()):
        raise SystemExit(f"broken rules: {errors}")
    return {"rows": len(rows), **errors, **warnings}


def features(rows, cutoff):
    """One row a customer, from the purchases before the cutoff."""
    rows = rows[rows["txn_timestamp"] < cutoff].sort_values(["customer_id", "txn_timestamp"])
    gap = rows["txn_timestamp"].diff().dt.total_seconds() / 86_400
    rows = rows.assign(gap=gap.where(rows["customer_id"].eq(rows["customer_id"].shift())))
    table = rows.groupby("customer_id").agg(
        last=("txn_timestamp", "max"), first=("txn_timestamp", "min"), frequency=("amount", "size"),
        monetary=("amount", "sum"), mean_amount=("amount", "mean"), std_amount=("amount", "std"),
        mean_gap=("gap", "mean"), std_gap=("gap", "std"), local_share=("is_local", "mean"))
    table["recency"] = (cutoff - table.pop("last")).dt.total_seconds() / 86_400
    table["tenure"] = (cutoff - table.pop("first")).dt.total_seconds() / 86_400
    for column in ("channel", "category"):
        counts = rows.groupby(["customer_id", column], observed=True).size().unstack(fill_value=0)
        table = table.join(counts.div(table["frequency"], axis=0).add_prefix(f"{column}_"))
    return table.reset_index()


def segment(table, k):
    """k-means with ten starts for every k from 2 to 10, and how good each is."""
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score
    from sklearn.preprocessing import StandardScaler
    known = table[BEHAVIOUR].fillna(table[BEHAVIOUR].median())
    points = StandardScaler().fit_transform(known.assign(**np.log1p(known[SKEWED])))
    scan, labels = [], None
    for tried in range(2, 11):
        found = KMeans(tried, n_init=10, random_state=SEED).fit(points)
        labels = found.labels_ if tried == k else labels
        scan.append({
            "k": tried, "inertia": found.inertia_,
            "silhouette": silhouette_score(points, found.labels_, sample_size=10_000, random_state=SEED),
            "davies_bouldin": davies_bouldin_score(points, found.labels_),
            "calinski_harabasz": calinski_harabasz_score(points, found.labels_)})
    return table[["customer_id"]].assign(segment=labels), scan


def profile(table, segments):
    """Size, revenue and mean of every feature a segment, and how it differs from all customers."""
    table = table.merge(segments, on="customer_id").drop(columns="customer_id")
    groups = table.groupby("segment")
    means, others = groups.mean(), table.drop(columns="segment")
    differences = (means - others.mean()) / others.std()
    summary = means.assign(customers=groups.size(), revenue=groups["monetary"].sum())
    return summary.reset_index(), differences


def weekly(rows, segments):
    """Revenue a week: all, and each segment; weeks without purchases are 0."""
    import pandas as pd
    rows = rows[["customer_id", "txn_timestamp", "amount"]].merge(segments, on="customer_id")
    day = rows["txn_timestamp"].dt.normalize()
    week = (day - pd.to_timedelta(day.dt.weekday, unit="D")).rename("ds")
    table = rows.groupby([week, "segment"])["amount"].sum().unstack(fill_value=0.0)
    table.columns = [str(name) for name in table.columns]
    table["all"] = table.sum(axis=1)
    table = table.reindex(pd.date_range(week.min(), week.max(), freq="7D"), fill_value=0.0).rename_axis("ds")
    return table.reset_index().melt("ds", var_name="unique_id", value_name="y").sort_values(["unique_id", "ds"])


def forecast(series):
    """Seasonal naive and a ridge regression on lags and the calendar: a back-test of five folds, then forecasts."""
    import numpy as np
    from mlforecast import MLForecast
    from mlforecast.target_transforms import LocalStandardScaler
    from sklearn.linear_model import Ridge

    def wave(number):
        def sine(dates):
            return np.sin(2 * np.pi * number * dates.dayofyear / 365.25)

        def cosine(dates):
            return np.cos(2 * np.pi * number * dates.dayofyear / 365.25)
        sine.__name__, cosine.__name__ = f"sine{number}", f"cosine{number}"
        return [sine, cosine]

    class Naive:
        """Repeats the season: the lag of a season is its only column."""

        def get_params(self, deep=True):
            return {}

        def fit(self, _columns, _target):
            return self

        def predict(self, columns):
            return np.asarray(columns)[:, 0]

    def machines():
        naive = MLForecast({"seasonal_naive": Naive()}, freq="7D", lags=[SEASON])
        calendar = [function for number in range(1, 7) for function in wave(number)]
        ridge = MLForecast({"ridge": Ridge(10.0)}, freq="7D", lags=[1, 2, 3, 4, 8, 12, 26, 52],
                           date_features=calendar, target_transforms=[LocalStandardScaler()])
        return naive, ridge

    folds, ahead = None, None
    for machine in machines():
        past = machine.cross_validation(series, n_windows=FOLDS, h=HORIZON, step_size=HORIZON)
        folds = past if folds is None else folds.merge(past.drop(columns="y"), on=["unique_id", "ds", "cutoff"])
        future = machine.fit(series).predict(HORIZON)
        ahead = future if ahead is None else ahead.merge(future, on=["unique_id", "ds"])
    total = folds[folds["unique_id"] == "all"]
    scores = {}
    for model in ("seasonal_naive", "ridge"):
        error = total[model] - total["y"]
        scores[model] = {"rmse": float(np.sqrt((error ** 2).mean())), "mae": float(error.abs().mean()),
                         "wape": float(error.abs().sum() / total["y"].abs().sum())}
        wide = (folds[model] - folds["y"]).groupby(folds["unique_id"]).quantile([0.05, 0.95]).unstack()
        base = ahead["unique_id"].map(wide[0.05]), ahead["unique_id"].map(wide[0.95])
        ahead[f"{model}_lower"], ahead[f"{model}_upper"] = ahead[model] + base[0], ahead[model] + base[1]
    return ahead, scores


def churn(rows):
    """Learns from customers two horizons before the end, judges a horizon before it, scores everybody at the end."""
    import lightgbm
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    end = rows["txn_timestamp"].max().normalize() + pd.Timedelta(days=1)

    def customers(horizons):
        cutoff = end - pd.Timedelta(days=horizons * CHURN_DAYS)
        table = features(rows, cutoff)
        if horizons == 0:
            return table, None
        stamp = rows["txn_timestamp"]
        buyers = rows.loc[(stamp >= cutoff) & (stamp < cutoff + pd.Timedelta(days=CHURN_DAYS)), "customer_id"].unique()
        return table, ~table["customer_id"].isin(buyers)

    def numbers(table):
        return table.drop(columns="customer_id").fillna(table.median())

    (train, train_left), (later, later_left), (everybody, _) = customers(2), customers(1), customers(0)
    models = {
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)),
        "boosted": lambda: lightgbm.LGBMClassifier(n_estimators=200, learning_rate=0.05, num_leaves=31, random_state=SEED, verbosity=-1),
    }
    judged = {}
    for name, model in models.items():
        chance = model().fit(numbers(train), train_left).predict_proba(numbers(later))[:, 1]
        judged[name] = {"auc": roc_auc_score(later_left, chance), "brier": brier_score_loss(later_left, chance),
                        "accuracy": accuracy_score(later_left, chance > 0.5), "log_loss": log_loss(later_left, chance)}
    best = min(judged, key=lambda name: judged[name]["log_loss"])
    both = pd.concat([numbers(train), numbers(later)])
    chosen = models[best]().fit(both, np.concatenate([train_left, later_left]))
    scored = everybody[["customer_id"]].assign(probability=chosen.predict_proba(numbers(everybody))[:, 1])
    gains = chosen.booster_.feature_importance("gain") if best == "boosted" else np.abs(chosen[-1].coef_[0])
    importance = pd.DataFrame({"feature": both.columns, "gain": gains}).sort_values("gain", ascending=False)
    return scored, importance, judged


def pictures(out, table, segments, scan, summary, differences, series, ahead, scored, importance):
    """The eight pictures of the pipeline."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import pandas as pd
    scan = pd.DataFrame(scan)

    def save(name, figure):
        figure.tight_layout()
        figure.savefig(out / f"{name}.png", dpi=110)
        figure.savefig(out / f"{name}.svg")
        plt.close(figure)

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    left.plot(scan.k, scan.inertia, "o-"), left.set_title("inertia")
    right.plot(scan.k, scan.silhouette, "o-"), right.set_title("silhouette")
    save("sweep_curves", figure)
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.plot(scan.k, scan.davies_bouldin, "o-"), axes.set_title("Davies-Bouldin")
    save("davies_bouldin", figure)
    figure, axes = plt.subplots(figsize=(8, 5))
    # At most a thousand points, as custem draws.
    both = table.merge(segments, on="customer_id")
    some = both.sample(min(len(both), 1_000), random_state=SEED)
    axes.scatter(some.frequency, some.monetary, c=some.segment, s=6, cmap="tab10")
    axes.set_xscale("log"), axes.set_yscale("log"), axes.set_title("customers")
    save("customers", figure)
    figure, axes = plt.subplots(figsize=(9, 6))
    image = axes.imshow(differences.T, cmap="RdBu", aspect="auto")
    axes.set_yticks(range(differences.shape[1]), differences.columns), figure.colorbar(image)
    save("profiles", figure)
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.bar(summary.segment, summary.customers), axes.set_title("segment size")
    save("sizes", figure)
    names = list(series.unique_id.unique())
    figure, panels = plt.subplots(len(names), 1, figsize=(9, 2 * len(names)))
    for name, axes in zip(names, panels):
        past, future = series[series.unique_id == name], ahead[ahead.unique_id == name]
        axes.plot(past.ds, past.y), axes.plot(future.ds, future.ridge), axes.set_title(name)
        axes.fill_between(future.ds, future.ridge_lower, future.ridge_upper, alpha=0.3)
    save("outlook", figure)
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.hist(scored.probability, bins=50), axes.set_title("churn")
    save("churn_chances", figure)
    figure, axes = plt.subplots(figsize=(8, 5))
    axes.barh(importance.feature[:15][::-1], importance.gain[:15][::-1]), axes.set_title("importance")
    save("churn_importance", figure)


def page(out, checks, scan, summary, differences, scores, judged):
    """One HTML file with the tables and the pictures inside."""
    import pandas as pd
    images = "".join(path.read_text().split("?>", 1)[-1] for path in sorted(out.glob("*.svg")))
    tables = [pd.DataFrame([checks]), pd.DataFrame(scan), summary, differences, pd.DataFrame(scores), pd.DataFrame(judged)]
    body = "".join(table.to_html() for table in tables)
    (out / "report.html").write_text(f"<html><body><h1>Customer analytics</h1>{body}{images}</body></html>")


def libraries():
    import lightgbm, matplotlib.pyplot, mlforecast, pandas, sklearn.cluster, sklearn.linear_model, sklearn.metrics  # noqa: E401, F401


def everything(path, out, k):
    seconds, last = {}, START

    def lap(name):
        nonlocal last
        now = time.perf_counter()
        seconds[name], last = now - last, now

    libraries(), lap("imports")
    rows = read(path); lap("read")
    checks = check(rows); lap("check")
    import pandas as pd
    table = features(rows, rows["txn_timestamp"].max().normalize() + pd.Timedelta(days=1)); lap("features")
    segments, scan = segment(table, k); lap("segment")
    summary, differences = profile(table, segments); lap("profile")
    series = weekly(rows, segments); lap("series")
    ahead, scores = forecast(series); lap("forecast")
    scored, importance, judged = churn(rows); lap("churn")
    pictures(out, table, segments, scan, summary, differences, series, ahead, scored, importance); lap("pictures")
    page(out, checks, scan, summary, differences, scores, judged); lap("report")
    quality = {"silhouette": scan[k - 2]["silhouette"], "inertia": scan[k - 2]["inertia"],
               "wape": scores["ridge"]["wape"], "auc": judged["boosted"]["auc"], "brier": judged["boosted"]["brier"]}
    (out / "seconds.json").write_text(json.dumps({"seconds": seconds, "quality": quality}))


# Parts as DVC stages: what each takes and what it leaves.
STAGES = {
    "check": ([], ["checks"]),
    "features": (["checks"], ["table"]),
    "segment": (["table"], ["segments", "scan"]),
    "profile": (["table", "segments"], ["summary", "differences"]),
    "series": (["checks", "segments"], ["series"]),
    "forecast": (["series"], ["ahead", "scores"]),
    "churn": (["checks"], ["scored", "importance", "judged"]),
    "report": (["checks", "table", "segments", "scan", "summary", "differences", "series", "ahead", "scores", "scored", "importance", "judged"], ["page"]),
}


def part(name, path, out, k):
    """One part on files: what it takes and leaves is kept as pickles, which read faster than anything else."""
    takes, leaves = STAGES[name]
    given = {key: pickle.loads((out / key).read_bytes()) for key in takes}
    if name in ("check", "features", "series", "churn"):
        rows = read(path)
    if name == "check":
        results = [check(rows)]
    elif name == "features":
        import pandas as pd
        results = [features(rows, rows["txn_timestamp"].max().normalize() + pd.Timedelta(days=1))]
    elif name == "segment":
        results = segment(given["table"], k)
    elif name == "profile":
        results = profile(given["table"], given["segments"])
    elif name == "series":
        results = [weekly(rows, given["segments"])]
    elif name == "forecast":
        results = forecast(given["series"])
    elif name == "churn":
        results = churn(rows)
    else:
        folder = out / "page"
        folder.mkdir()
        drawn = {key: given[key] for key in STAGES["report"][0] if key not in ("checks", "scores", "judged")}
        pictures(folder, **drawn)
        page(folder, *(given[key] for key in ("checks", "scan", "summary", "differences", "scores", "judged")))
        return
    for key, result in zip(leaves, results):
        (out / key).write_bytes(pickle.dumps(result))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("part", choices=["all", *STAGES])
    arguments.add_argument("file", type=pathlib.Path)
    arguments.add_argument("out", type=pathlib.Path)
    arguments.add_argument("--k", type=int, default=6)
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.part == "all":
        everything(given.file, given.out, given.k)
    else:
        part(given.part, given.file, given.out, given.k)
