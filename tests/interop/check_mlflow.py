#!/usr/bin/env python3
"""Show what the real MLflow client sees in a project of a tracking server.

    check_mlflow.py URL PROJECT

Prints one JSON document (strict JSON: NaN and infinities come out as strings): the runs of the
experiment by name, with params, metrics, tags, status, the history of each metric, and artifacts.

Exit status: 0 something readable; 1 nothing readable; 3 bad usage or no mlflow installed.
"""
import json
import math
import sys


def strict(value):
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def files(client, run_id, path=None):
    found = []
    for item in client.list_artifacts(run_id, path):
        found += files(client, run_id, item.path) if item.is_dir else [item.path]
    return found


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 3
    try:
        from mlflow import MlflowClient
    except ImportError as e:
        print(f"mlflow is not installed here: {e}", file=sys.stderr)
        return 3
    client = MlflowClient(tracking_uri=sys.argv[1])
    experiment = client.get_experiment_by_name(sys.argv[2])
    runs = client.search_runs([experiment.experiment_id], max_results=1000) if experiment else []
    out = {}
    for run in runs:
        history = {}
        for key in run.data.metrics:
            points = client.get_metric_history(run.info.run_id, key)
            history[key] = [[p.step, strict(p.value)] for p in points[:1000]]
        out.setdefault(run.info.run_name, []).append({
            "id": run.info.run_id, "status": run.info.status, "params": run.data.params,
            "metrics": {k: strict(v) for k, v in run.data.metrics.items()},
            "tags": run.data.tags, "history": history, "files": sorted(files(client, run.info.run_id)),
        })
    print(json.dumps(out, indent=2, allow_nan=False))
    return 0 if out else 1


if __name__ == "__main__":
    sys.exit(main())
