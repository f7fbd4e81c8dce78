"""Weekly series by one model of another tool: a back-test of five folds of 12 weeks, then 12 weeks ahead.

forecast.py CSV MODEL SEASON: prints seconds (without those of starting and importing) and WAPE over all folds, as JSON.
"""
import json
import logging
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import pandas as pd

HORIZON, FOLDS = 12, 5
path, model, season = sys.argv[1], sys.argv[2], int(sys.argv[3])
rows = pd.read_csv(path, parse_dates=["period"])
rows = rows.rename(columns={"series": "unique_id", "period": "ds", "revenue": "y"})

if model == "prophet":
    for name in ("cmdstanpy", "prophet"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from prophet import Prophet

    def one(known):
        fitted = Prophet(weekly_seasonality=False, daily_seasonality=False).fit(known[["ds", "y"]])
        ahead = fitted.make_future_dataframe(HORIZON, freq="7D", include_history=False)
        return fitted.predict(ahead)["yhat"].to_numpy()

    def work():
        wrong = total = 0.0
        for _, series in rows.groupby("unique_id"):
            for fold in range(FOLDS):
                end = len(series) - HORIZON * (FOLDS - fold)
                actual = series.y.to_numpy()[end:end + HORIZON]
                wrong += abs(one(series.iloc[:end]) - actual).sum()
                total += abs(actual).sum()
            one(series)
        return wrong / total
else:
    from statsforecast import StatsForecast, models

    def work():
        kind = getattr(models, model)
        fitted = StatsForecast(models=[kind(season_length=season, alias="it")], freq="7D", n_jobs=-1)
        past = fitted.cross_validation(df=rows, h=HORIZON, n_windows=FOLDS, step_size=HORIZON)
        fitted.forecast(df=rows, h=HORIZON)
        return (past["it"] - past["y"]).abs().sum() / past["y"].abs().sum()

start = time.perf_counter()
wape = work()
print(json.dumps({"seconds": time.perf_counter() - start, "wape": float(wape)}))
