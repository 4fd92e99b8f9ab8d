//! Registering by rows of the table, and counting.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::{
    metric::{Kind, Label, Metric, Values},
    read::{Read, Sample},
    table,
};

/// Why a figure is not registered, or figures are not shown.
#[derive(Debug, thiserror::Error)]
pub enum Unregistered {
    /// The row is not one of the table.
    #[error("{0} is not in the table of metrics")]
    Unlisted(&'static str),
    /// The row says that it moves otherwise.
    #[error("{name} is a {is} in the table of metrics")]
    Otherwise {
        /// Its name.
        name: &'static str,
        /// What it is.
        is: &'static str,
    },
    /// It is there already, or its name is none.
    #[error("metrics: {0}")]
    Refused(#[from] prometheus::Error),
    /// The text was not UTF-8.
    #[error("metrics: {0}")]
    Text(#[from] std::string::FromUtf8Error),
}

/// What one process counts. Clones are the same.
#[derive(Clone, Default)]
pub struct Figures {
    registry: Registry,
    /// Those that are read when somebody asks, by name: several parts of a process may give series of one metric.
    read: Arc<Mutex<BTreeMap<&'static str, Read>>>,
}

impl Figures {
    /// A counter without labels.
    ///
    /// # Errors
    /// As [`Figures::counters`].
    pub fn counter(&self, metric: &'static Metric) -> Result<Counter, Unregistered> {
        Ok(self.counters(metric)?.of(&[]))
    }

    /// A counter with labels. Where their values are listed, each is shown from the start.
    ///
    /// # Errors
    /// It is not in the table, is no counter there, or was registered before.
    pub fn counters(&self, metric: &'static Metric) -> Result<Counters, Unregistered> {
        listed(metric, "counter")?;
        let vec = IntCounterVec::new(Opts::new(metric.name, metric.help), &names(metric))?;
        self.registry.register(Box::new(vec.clone()))?;
        for values in combinations(metric.labels) {
            vec.with_label_values(&values);
        }
        Ok(Counters { vec, metric })
    }

    /// A gauge without labels.
    ///
    /// # Errors
    /// As [`Figures::gauges`].
    pub fn gauge(&self, metric: &'static Metric) -> Result<Gauge, Unregistered> {
        Ok(self.gauges(metric)?.of(&[]))
    }

    /// A gauge with labels.
    ///
    /// # Errors
    /// It is not in the table, is no gauge there, or was registered before.
    pub fn gauges(&self, metric: &'static Metric) -> Result<Gauges, Unregistered> {
        listed(metric, "gauge")?;
        let vec = IntGaugeVec::new(Opts::new(metric.name, metric.help), &names(metric))?;
        self.registry.register(Box::new(vec.clone()))?;
        Ok(Gauges { vec, metric })
    }

    /// A histogram of times.
    ///
    /// # Errors
    /// It is not in the table, is no histogram there, or was registered before.
    pub fn times(&self, metric: &'static Metric) -> Result<Times, Unregistered> {
        listed(metric, "histogram")?;
        let bounds = match metric.kind {
            Kind::Histogram(bounds) => bounds,
            Kind::Counter | Kind::Gauge => &[],
        };
        let buckets = bounds.iter().map(|micros| Duration::from_micros(*micros).as_secs_f64()).collect();
        let opts = HistogramOpts::new(metric.name, metric.help).buckets(buckets);
        let vec = HistogramVec::new(opts, &names(metric))?;
        self.registry.register(Box::new(vec.clone()))?;
        for values in combinations(metric.labels) {
            vec.with_label_values(&values);
        }
        Ok(Times { vec, metric })
    }

    /// Figures that somebody keeps elsewhere, read whenever they are asked for. Several may give series of one metric.
    ///
    /// # Errors
    /// The metric is not in the table, is a histogram there, or was registered as one that is kept here.
    pub fn read(
        &self,
        metric: &'static Metric,
        read: impl Fn() -> Vec<Sample> + Send + Sync + 'static,
    ) -> Result<(), Unregistered> {
        listed(metric, metric.kind.name())?;
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(metric.name) {
            known.add(Box::new(read));
            return Ok(());
        }
        let new = Read::new(metric, &names(metric))?;
        new.add(Box::new(read));
        self.registry.register(Box::new(new.clone()))?;
        known.insert(metric.name, new);
        Ok(())
    }

    /// All of them in the text format of Prometheus.
    ///
    /// # Errors
    /// They do not make a text.
    pub fn text(&self) -> Result<String, Unregistered> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8(text)?)
    }
}

/// The media type of [`Figures::text`].
pub const TEXT: &str = prometheus::TEXT_FORMAT;

fn listed(metric: &'static Metric, wanted: &str) -> Result<(), Unregistered> {
    if !table::all().any(|row| std::ptr::eq(row, metric)) {
        return Err(Unregistered::Unlisted(metric.name));
    }
    let is = metric.kind.name();
    if is == wanted { Ok(()) } else { Err(Unregistered::Otherwise { name: metric.name, is }) }
}

fn names(metric: &Metric) -> Vec<&'static str> {
    metric.labels.iter().map(|label| label.name).collect()
}

/// Each combination of listed values; none where some label's values are not listed.
fn combinations(labels: &'static [Label]) -> Vec<Vec<&'static str>> {
    let mut all: Vec<Vec<&str>> = vec![Vec::new()];
    for label in labels {
        let Values::Listed(values) = label.values else { return Vec::new() };
        all = all
            .iter()
            .flat_map(|before| values.iter().map(move |value| [before.as_slice(), &[*value]].concat()))
            .collect();
    }
    all
}

/// Whether values are as many as the labels, and those that are listed.
pub(crate) fn holds(metric: &Metric, values: &[&str]) -> bool {
    values.len() == metric.labels.len()
        && metric.labels.iter().zip(values).all(|(label, value)| match label.values {
            Values::Listed(listed) => listed.contains(value),
            Values::Of(_) => true,
        })
}

/// A counter.
#[derive(Debug, Clone)]
pub struct Counter(prometheus::IntCounter);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// So many more.
    pub fn add(&self, n: u64) {
        self.0.inc_by(n);
    }
}

/// A counter with labels.
#[derive(Debug, Clone)]
pub struct Counters {
    vec: IntCounterVec,
    metric: &'static Metric,
}

impl Counters {
    /// The one with these values, in the order of its row's labels.
    pub fn of(&self, values: &[&str]) -> Counter {
        debug_assert!(holds(self.metric, values), "{}: {values:?}", self.metric.name);
        Counter(self.vec.with_label_values(values))
    }
}

/// A gauge.
#[derive(Debug, Clone)]
pub struct Gauge(prometheus::IntGauge);

impl Gauge {
    /// It is this now.
    pub fn set(&self, value: u64) {
        self.0.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// One more.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// One less.
    pub fn dec(&self) {
        self.0.dec();
    }
}

/// A gauge with labels.
#[derive(Debug, Clone)]
pub struct Gauges {
    vec: IntGaugeVec,
    metric: &'static Metric,
}

impl Gauges {
    /// The one with these values, in the order of its row's labels.
    pub fn of(&self, values: &[&str]) -> Gauge {
        debug_assert!(holds(self.metric, values), "{}: {values:?}", self.metric.name);
        Gauge(self.vec.with_label_values(values))
    }
}

/// A histogram of times.
#[derive(Debug, Clone)]
pub struct Times {
    vec: HistogramVec,
    metric: &'static Metric,
}

impl Times {
    /// Something took this long.
    pub fn observe(&self, values: &[&str], took: Duration) {
        debug_assert!(holds(self.metric, values), "{}: {values:?}", self.metric.name);
        self.vec.with_label_values(values).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Role, Unit, Value,
        table::{QUEUE_LENGTH, TASKS_OPENED, VERDICTS},
    };

    #[test]
    fn listed_values_are_shown_from_the_start() {
        let figures = Figures::default();
        let verdicts = figures.counters(&VERDICTS).expect("in the table");
        verdicts.of(&["agreed"]).inc();
        let text = figures.text().expect("text");
        assert!(text.contains("argus_verdicts_total{verdict=\"agreed\"} 1\n"), "{text}");
        assert!(text.contains("argus_verdicts_total{verdict=\"exhausted\"} 0\n"), "{text}");
    }

    #[test]
    fn what_is_not_in_the_table_is_not_registered() {
        static ALIEN: Metric = Metric {
            name: "argus_tasks_opened_total",
            kind: Kind::Counter,
            unit: Unit::Count,
            labels: &[],
            help: "Looks like a row and is none.",
            roles: &[Role::Api],
        };
        let figures = Figures::default();
        assert!(matches!(figures.counter(&ALIEN), Err(Unregistered::Unlisted(_))));
        assert!(matches!(figures.gauge(&TASKS_OPENED), Err(Unregistered::Otherwise { is: "counter", .. })));
        figures.counter(&TASKS_OPENED).expect("the first time");
        assert!(matches!(figures.counter(&TASKS_OPENED), Err(Unregistered::Refused(_))));
    }

    #[test]
    fn several_parts_give_series_of_one_metric() {
        let figures = Figures::default();
        for (queue, length) in [("dispatcher_inbox", 3), ("aggregator_inbox", 4), ("dispatcher_inbox", 2)] {
            figures
                .read(&QUEUE_LENGTH, move || vec![Sample::of(&[queue], Value::Count(length))])
                .expect("listed");
        }
        let text = figures.text().expect("text");
        // What two parts say of one series is added up.
        assert!(text.contains("argus_queue_length{queue=\"dispatcher_inbox\"} 5\n"), "{text}");
        assert!(text.contains("argus_queue_length{queue=\"aggregator_inbox\"} 4\n"), "{text}");
        assert_eq!(text, figures.text().expect("text"), "read anew each time");
    }
}
