//! Triggers: schedules, event filters and rules.

use argus_domain::{
    event::{EventFilter, ParameterPlace, ParameterTest},
    ids::ChainId,
    job::Trigger,
    rule::{Comparison, KeyRoute, Rule, SourceKind, ValueSource},
    schedule::Schedule,
    time::Timestamp,
};

use crate::{
    Malformed, Wire,
    field::{Read, WireEnum, address, decimal, hash, maybe, missing, need, small, wire_enum},
    v1,
};

wire_enum!(SourceKind => v1::SourceKind {
    Api = Api, Oracle = Oracle, Static = Static, WebSocket = WebSocket,
});

impl Wire for Trigger {
    type Message = v1::Trigger;

    fn to_wire(&self) -> v1::Trigger {
        use v1::trigger::Kind;
        v1::Trigger {
            kind: Some(match self {
                Self::Time(schedule) => Kind::Time(schedule.to_wire()),
                Self::Event(filter) => Kind::Event(filter.to_wire()),
                Self::Condition(rule) => Kind::Condition(rule.to_wire()),
            }),
        }
    }

    fn from_wire(m: v1::Trigger) -> Read<Self> {
        use v1::trigger::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Time(m) => Self::Time(need(Some(m), "time")?),
            Kind::Event(m) => Self::Event(need(Some(m), "event")?),
            Kind::Condition(m) => Self::Condition(need(Some(m), "condition")?),
        })
    }
}

impl Wire for Schedule {
    type Message = v1::Schedule;

    fn to_wire(&self) -> v1::Schedule {
        use v1::schedule::{Cron, Kind};
        v1::Schedule {
            kind: Some(match self {
                Self::Interval { every_secs } => Kind::EverySecs(*every_secs),
                Self::Cron { expression, zone } => {
                    Kind::Cron(Cron { expression: expression.clone(), zone: zone.name().to_owned() })
                }
                Self::Once { at } => Kind::OnceAtMs(at.0),
            }),
        }
    }

    fn from_wire(m: v1::Schedule) -> Read<Self> {
        use v1::schedule::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::EverySecs(every_secs) => Self::Interval { every_secs },
            Kind::Cron(cron) => Self::Cron {
                zone: cron.zone.parse().map_err(|_| Malformed::new("cron.zone", "no IANA time zone"))?,
                expression: cron.expression,
            },
            Kind::OnceAtMs(at) => Self::Once { at: Timestamp(at) },
        })
    }
}

impl Wire for EventFilter {
    type Message = v1::EventFilter;

    fn to_wire(&self) -> v1::EventFilter {
        v1::EventFilter {
            chain: self.chain.0,
            contract: self.contract.to_vec(),
            signature: self.signature.clone(),
            topic0: self.topic0.to_vec(),
            test: self.test.as_ref().map(Wire::to_wire),
            confirmations: self.confirmations,
        }
    }

    fn from_wire(m: v1::EventFilter) -> Read<Self> {
        Ok(Self {
            chain: ChainId(m.chain),
            contract: address(&m.contract, "contract")?,
            signature: m.signature,
            topic0: hash(&m.topic0, "topic0")?,
            test: maybe(m.test, "test")?,
            confirmations: m.confirmations,
        })
    }
}

impl Wire for ParameterTest {
    type Message = v1::ParameterTest;

    fn to_wire(&self) -> v1::ParameterTest {
        use v1::parameter_test::{Data, Place, Topic};
        let place = match &self.place {
            ParameterPlace::Topic { index, word } => {
                Place::Topic(Topic { index: u32::from(*index), word: word.to_vec() })
            }
            ParameterPlace::Data { types, index, encoded } => Place::Data(Data {
                types: types.clone(),
                index: u64::try_from(*index).unwrap_or(u64::MAX),
                encoded: encoded.to_vec(),
            }),
        };
        v1::ParameterTest { name: self.name.clone(), value: self.value.clone(), place: Some(place) }
    }

    fn from_wire(m: v1::ParameterTest) -> Read<Self> {
        use v1::parameter_test::Place;
        let place = match m.place.ok_or_else(|| missing("place"))? {
            Place::Topic(topic) => ParameterPlace::Topic {
                index: small(topic.index, "topic.index")?,
                word: hash(&topic.word, "topic.word")?,
            },
            Place::Data(data) => ParameterPlace::Data {
                types: data.types,
                index: usize::try_from(data.index)
                    .map_err(|_| Malformed::new("data.index", "it is too large"))?,
                encoded: data.encoded.into(),
            },
        };
        Ok(Self { name: m.name, value: m.value, place })
    }
}

impl Wire for Rule {
    type Message = v1::Rule;

    fn to_wire(&self) -> v1::Rule {
        v1::Rule {
            comparison: Some(self.comparison.to_wire()),
            source: Some(self.source.to_wire()),
            cooldown_secs: self.cooldown_secs,
        }
    }

    fn from_wire(m: v1::Rule) -> Read<Self> {
        Ok(Self {
            comparison: need(m.comparison, "comparison")?,
            source: need(m.source, "source")?,
            cooldown_secs: m.cooldown_secs,
        })
    }
}

impl Wire for Comparison {
    type Message = v1::Comparison;

    fn to_wire(&self) -> v1::Comparison {
        use v1::comparison::{Operator, Range};
        v1::Comparison {
            operator: Some(match self {
                Self::GreaterThan(limit) => Operator::GreaterThan(limit.to_string()),
                Self::LessThan(limit) => Operator::LessThan(limit.to_string()),
                Self::Between(lower, upper) => {
                    Operator::Between(Range { lower: lower.to_string(), upper: upper.to_string() })
                }
                Self::Equals(limit) => Operator::Equals(limit.to_string()),
                Self::NotEquals(limit) => Operator::NotEquals(limit.to_string()),
                Self::GreaterEqual(limit) => Operator::GreaterEqual(limit.to_string()),
                Self::LessEqual(limit) => Operator::LessEqual(limit.to_string()),
            }),
        }
    }

    fn from_wire(m: v1::Comparison) -> Read<Self> {
        use v1::comparison::Operator;
        Ok(match m.operator.ok_or_else(|| missing("operator"))? {
            Operator::GreaterThan(limit) => Self::GreaterThan(decimal(&limit, "greater_than")?),
            Operator::LessThan(limit) => Self::LessThan(decimal(&limit, "less_than")?),
            Operator::Between(range) => Self::Between(
                decimal(&range.lower, "between.lower")?,
                decimal(&range.upper, "between.upper")?,
            ),
            Operator::Equals(limit) => Self::Equals(decimal(&limit, "equals")?),
            Operator::NotEquals(limit) => Self::NotEquals(decimal(&limit, "not_equals")?),
            Operator::GreaterEqual(limit) => Self::GreaterEqual(decimal(&limit, "greater_equal")?),
            Operator::LessEqual(limit) => Self::LessEqual(decimal(&limit, "less_equal")?),
        })
    }
}

impl Wire for ValueSource {
    type Message = v1::ValueSource;

    fn to_wire(&self) -> v1::ValueSource {
        v1::ValueSource {
            kind: self.kind.to_number(),
            url: self.url.clone(),
            route: self.route.as_ref().map(|r| v1::value_source::KeyRoute { steps: r.steps.clone() }),
        }
    }

    fn from_wire(m: v1::ValueSource) -> Read<Self> {
        Ok(Self {
            kind: SourceKind::from_number(m.kind, "kind")?,
            url: m.url,
            route: m.route.map(|r| KeyRoute { steps: r.steps }),
        })
    }
}
