//! A plot (SVG) of the latency of acknowledged revocations under each fault.

use std::fmt::Write as _;
use std::time::Duration;

use crate::figures::Row;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 200.0;
const RIGHT: f64 = 70.0;
const ROW: f64 = 22.0;
const HEAD: f64 = 64.0;
const PANEL_HEAD: f64 = 34.0;
const FOOT: f64 = 34.0;
/// The logarithmic scale goes from here, in milliseconds …
const LEAST: f64 = 1.0;
/// … to here.
const MOST: f64 = 30_000.0;
const MARKS: [(f64, &str); 10] = [
    (1.0, "1 ms"),
    (3.0, "3 ms"),
    (10.0, "10 ms"),
    (30.0, "30 ms"),
    (100.0, "100 ms"),
    (300.0, "300 ms"),
    (1_000.0, "1 s"),
    (3_000.0, "3 s"),
    (10_000.0, "10 s"),
    (30_000.0, "30 s"),
];

/// One panel for each arrangement, one line for each fault: from p5 to p95, with p50, p99 and the worst.
pub(crate) fn plot(panels: &[(&str, Vec<Row>)]) -> String {
    let panel_height = |rows: &[Row]| PANEL_HEAD + ROW * f64_of(rows.len());
    let inner: f64 = panels.iter().map(|(_, rows)| panel_height(rows)).sum();
    let height = HEAD + inner + FOOT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"sans-serif\" \
         font-size=\"12\" role=\"img\" aria-label=\"Latency of acknowledged revocations under each fault\">\n\
         <rect width=\"{WIDTH}\" height=\"{height:.0}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"bold\">How long a revoke takes until it is acknowledged, \
         under each fault</text>\n"
    );
    legend(&mut svg);
    grid(&mut svg, HEAD, HEAD + inner);
    let mut top = HEAD;
    for (name, rows) in panels {
        let _ = writeln!(
            svg,
            "<text x=\"16\" y=\"{:.0}\" font-size=\"13\" font-weight=\"bold\">{}</text>",
            top + 22.0,
            escaped(name)
        );
        for (n, row) in rows.iter().enumerate() {
            line(&mut svg, row, top + PANEL_HEAD + ROW * (f64_of(n) + 0.5));
        }
        top += panel_height(rows);
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String) {
    svg.push_str(
        "<g fill=\"#444444\"><line x1=\"16\" x2=\"46\" y1=\"42\" y2=\"42\" stroke=\"#2b6cb0\" stroke-width=\"5\" \
         stroke-opacity=\"0.45\"/><text x=\"52\" y=\"46\">p5 to p95</text>\
         <circle cx=\"128\" cy=\"42\" r=\"4\" fill=\"#1a365d\"/><text x=\"138\" y=\"46\">p50</text>\
         <line x1=\"178\" x2=\"178\" y1=\"36\" y2=\"48\" stroke=\"#c05621\" stroke-width=\"2.5\"/>\
         <text x=\"186\" y=\"46\">p99</text>\
         <circle cx=\"228\" cy=\"42\" r=\"2.5\" fill=\"none\" stroke=\"#9b2c2c\"/><text x=\"236\" y=\"46\">the worst</text>\
         <text x=\"306\" y=\"46\">n: acknowledged over HTTP</text></g>\n",
    );
}

fn grid(svg: &mut String, top: f64, bottom: f64) {
    for (ms, label) in MARKS {
        let at = x(ms);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top:.0}\" y2=\"{bottom:.0}\" stroke=\"#dddddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#444444\" font-size=\"11\">{label}</text>",
            bottom + 18.0
        );
    }
}

fn line(svg: &mut String, row: &Row, y: f64) {
    let _ = writeln!(
        svg,
        "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <text x=\"{:.0}\" y=\"{:.1}\" fill=\"#444444\" font-size=\"11\">n {}</text>",
        LEFT - 10.0,
        y + 4.0,
        escaped(row.kind.name()),
        WIDTH - RIGHT + 10.0,
        y + 4.0,
        row.latencies.len(),
    );
    let place = |of_a_thousand| row.latency(of_a_thousand).map(|latency| x(millis(latency)));
    let (Some(p5), Some(p50), Some(p95), Some(p99), Some(worst)) =
        (place(50), place(500), place(950), place(990), place(1000))
    else {
        return;
    };
    let _ = writeln!(
        svg,
        "<line x1=\"{p5:.1}\" x2=\"{p95:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#2b6cb0\" stroke-width=\"5\" \
         stroke-opacity=\"0.45\"/>\
         <circle cx=\"{p50:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"#1a365d\"/>\
         <line x1=\"{p99:.1}\" x2=\"{p99:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#c05621\" stroke-width=\"2.5\"/>\
         <circle cx=\"{worst:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"none\" stroke=\"#9b2c2c\"/>",
        y - 6.0,
        y + 6.0,
    );
}

fn x(ms: f64) -> f64 {
    let share = (ms.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn millis(latency: Duration) -> f64 {
    latency.as_secs_f64() * 1e3
}

fn f64_of(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FaultKind;

    #[test]
    fn every_fault_has_its_line_and_one_without_revocations_an_empty_one() {
        let row = |kind, latencies: Vec<u64>| Row {
            kind,
            times: 1,
            acknowledged: latencies.len(),
            accepts: 0,
            violations: 0,
            unavailable: Duration::ZERO,
            latencies: latencies.into_iter().map(Duration::from_millis).collect(),
        };
        let panels = [(
            "redis-postgres",
            vec![
                row(FaultKind::Undisturbed, vec![1, 10, 100_000]),
                row(FaultKind::FlushRedis, vec![]),
            ],
        )];
        let svg = plot(&panels);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        for part in [
            ">undisturbed<",
            ">FLUSHALL<",
            ">n 3<",
            ">n 0<",
            ">redis-postgres<",
        ] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        // The median's dot stands over its mark, and the worst stays within the picture.
        assert!(svg.contains(&format!("cx=\"{:.1}\"", x(10.0))), "{svg}");
        assert!(svg.contains(&format!("cx=\"{:.1}\"", WIDTH - RIGHT)), "{svg}");
    }
}
