//! What was measured, for people, for programs and as a picture.

use std::{fmt::Write, path::Path};

use serde_json::json;

use crate::measure::{Machine, Row};

/// The table.
pub fn table(machine: &Machine, rows: &[Row]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} cores, spin wall/CPU {:.2}{}, fdatasync p50 {:.0} us, load {}\n",
        machine.cores,
        machine.spin,
        if machine.contended { " (CONTENDED: only CPU figures count)" } else { "" },
        machine.fdatasync_us,
        machine.load
    );
    let _ = writeln!(
        out,
        "{:<5} {:<50} {:>10} {:<9} {:>10} {:>7}  goal",
        "id", "measure", "value", "unit", "floor", "ratio"
    );
    for row in rows {
        let number = |value: Option<f64>| value.map(short).unwrap_or_default();
        let met = match row.met {
            Some(true) => " - met",
            Some(false) => " - MISSED",
            None => "",
        };
        let _ = writeln!(
            out,
            "{:<5} {:<50} {:>10} {:<9} {:>10} {:>7}  {}{met}",
            row.id,
            row.measure,
            short(row.value),
            row.unit,
            number(row.floor),
            row.ratio.map(|r| format!("{r:.2}")).unwrap_or_default(),
            row.goal
        );
    }
    for row in rows {
        let _ = write!(out, "\n{} {}:\n  {}\n", row.id, row.measure, row.how);
    }
    out
}

fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Writes NAME.json and NAME.svg.
pub fn write(folder: &Path, name: &str, machine: &Machine, rows: &[Row]) -> anyhow::Result<()> {
    let all = json!({ "machine": machine, "rows": rows });
    std::fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(&all)? + "\n")?;
    std::fs::write(folder.join(format!("{name}.svg")), svg(rows))?;
    Ok(())
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 360.0;
const LINE: f64 = 30.0;

/// A bar per row that has a ratio; the line is ratio 1, the scale logarithmic from 0.1 to 10.
fn svg(rows: &[Row]) -> String {
    let rows: Vec<(&Row, f64)> = rows.iter().filter_map(|row| Some((row, row.ratio?))).collect();
    let height = 50.0 + LINE * rows.len() as f64;
    let x = |ratio: f64| LEFT + (ratio.clamp(0.1, 10.0).log10() + 1.0) / 2.0 * (WIDTH - LEFT - 80.0);
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>"##
    );
    for (mark, label) in [(0.1, "0.1"), (1.0, "1"), (10.0, "10")] {
        let at = x(mark);
        let _ = write!(
            out,
            r##"<line x1="{at}" x2="{at}" y1="24" y2="{height}" stroke="#bbb"/><text x="{at}" y="16" text-anchor="middle">{label}</text>"##
        );
    }
    for (n, (row, ratio)) in rows.iter().enumerate() {
        let top = 32.0 + LINE * n as f64;
        let (from, to) = (x(1.0).min(x(*ratio)), x(1.0).max(x(*ratio)));
        let colour = match row.met {
            Some(true) => "#2a7f3f",
            Some(false) => "#b3261e",
            None => "#666",
        };
        let _ = write!(
            out,
            r##"<text x="8" y="{}">{} {}</text><rect x="{from}" y="{top}" width="{}" height="18" fill="{colour}"/><text x="{}" y="{}">{ratio:.2}</text>"##,
            top + 13.0,
            row.id,
            escape(&row.measure),
            (to - from).max(1.0),
            to + 6.0,
            top + 13.0
        );
    }
    out + "</svg>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
