//! Figures that are kept elsewhere and read when somebody asks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus::{
    CounterVec, GaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::{
    figures::holds,
    metric::{Kind, Metric},
};

/// One value of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Values of its labels, in the order of its row.
    pub labels: Vec<String>,
    /// The value.
    pub value: Value,
}

impl Sample {
    /// With these values of its labels.
    pub fn of(labels: &[&str], value: Value) -> Self {
        Self { labels: labels.iter().map(|&label| label.to_owned()).collect(), value }
    }

    /// A count without labels.
    pub fn count(count: u64) -> Self {
        Self::of(&[], Value::Count(count))
    }
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Count(u64),
    /// A time, or the time since 1970.
    Time(Duration),
}

impl Value {
    fn number(self) -> f64 {
        match self {
            // As Prometheus has every number: whole ones are exact up to 2^53.
            Self::Count(count) => count as f64,
            Self::Time(time) => time.as_secs_f64(),
        }
    }
}

type Source = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

#[derive(Clone)]
enum Series {
    Counter(CounterVec),
    Gauge(GaugeVec),
}

/// A metric and who knows its values.
#[derive(Clone)]
pub(crate) struct Read {
    metric: &'static Metric,
    series: Series,
    /// Locked while values are taken, so that of two readers neither sees what the other one has cleared.
    sources: Arc<Mutex<Vec<Source>>>,
}

impl Read {
    pub fn new(metric: &'static Metric, labels: &[&str]) -> Result<Self, prometheus::Error> {
        let opts = Opts::new(metric.name, metric.help);
        let series = match metric.kind {
            Kind::Counter => Series::Counter(CounterVec::new(opts, labels)?),
            Kind::Gauge => Series::Gauge(GaugeVec::new(opts, labels)?),
            Kind::Histogram(_) => {
                return Err(prometheus::Error::Msg(format!(
                    "{} is a histogram: it is not read",
                    metric.name
                )));
            }
        };
        Ok(Self { metric, series, sources: Arc::default() })
    }

    pub fn add(&self, source: Source) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }
}

impl Collector for Read {
    fn desc(&self) -> Vec<&Desc> {
        match &self.series {
            Series::Counter(vec) => vec.desc(),
            Series::Gauge(vec) => vec.desc(),
        }
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.series {
            Series::Counter(vec) => vec.reset(),
            Series::Gauge(vec) => vec.reset(),
        }
        for sample in sources.iter().flat_map(|source| source()) {
            let labels: Vec<&str> = sample.labels.iter().map(String::as_str).collect();
            debug_assert!(holds(self.metric, &labels), "{}: {labels:?}", self.metric.name);
            match &self.series {
                Series::Counter(vec) => vec.with_label_values(&labels).inc_by(sample.value.number()),
                Series::Gauge(vec) => vec.with_label_values(&labels).add(sample.value.number()),
            }
        }
        match &self.series {
            Series::Counter(vec) => vec.collect(),
            Series::Gauge(vec) => vec.collect(),
        }
    }
}
