//! Picture of the figures: `target/bench/NAME.svg`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::compare::Comparison;

/// Height of a bar with its gap, in pixels.
const BAR: f64 = 26.0;
/// Width of the longest bar, in pixels.
const WIDTH: f64 = 420.0;
/// Left end of the bars, in pixels. The names are left of it.
const LEFT: f64 = 270.0;

/// Writes one bar of CPU per request for each server. Each comparison has its own scale.
pub(super) fn write(name: &str, measured: &[Comparison]) -> Result<()> {
    let (mut body, mut y) = (String::new(), 40.0);
    for group in measured {
        y = draw(group, &mut body, y)?;
    }
    let height = y + 10.0;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"780\" height=\"{height:.0}\" font-family=\"sans-serif\" \
         font-size=\"13\"><text x=\"8\" y=\"22\" font-size=\"15\">CPU per request, less is better</text>\n{body}</svg>\n"
    );
    let folder = Path::new("target/bench");
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("{name}.svg")), svg)?;
    Ok(())
}

/// Draws a comparison below `y`. Returns its lower end.
fn draw(group: &Comparison, body: &mut String, mut y: f64) -> Result<f64> {
    let title = y + BAR * 0.6;
    writeln!(
        body,
        "<text x=\"8\" y=\"{title:.0}\" font-weight=\"bold\">{}</text>",
        group.title
    )?;
    y += BAR;
    // At least 1 µs, so that an empty comparison does not divide by zero.
    let longest = group.rows.iter().map(|row| row.cpu).fold(1.0, f64::max);
    for row in &group.rows {
        let width = row.cpu / longest * WIDTH;
        // The gateway's own bars are blue, the others gray.
        let color = if row.name.starts_with("maxlab") {
            "#2563eb"
        } else {
            "#94a3b8"
        };
        let text = y + BAR * 0.6;
        writeln!(
            body,
            "<text x=\"{:.0}\" y=\"{text:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{:.0}\" fill=\"{color}\"/>\
             <text x=\"{:.0}\" y=\"{text:.0}\">{:.1} µs</text>",
            LEFT - 8.0,
            row.name,
            BAR - 6.0,
            LEFT + width + 6.0,
            row.cpu
        )?;
        y += BAR;
    }
    Ok(y + BAR * 0.4)
}
