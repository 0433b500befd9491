//! Draws the writes per 100 ms over time as SVG, and marks the kills and the elections.

use std::fmt::Write;
use std::time::Duration;

use super::timeline::{Failover, Timeline};

const BUCKET: Duration = Duration::from_millis(100);
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// The whole picture.
pub(crate) fn draw(timeline: &Timeline, failovers: &[Failover]) -> String {
    let acknowledgments = timeline.acknowledgments();
    let end = acknowledgments.iter().max().copied().unwrap_or(BUCKET);
    let mut buckets = vec![0_u32; bucket(end) + 1];
    for at in &acknowledgments {
        buckets[bucket(*at)] += 1;
    }
    let most = buckets.iter().max().copied().unwrap_or(0).max(1);
    let axes = Axes { end: buckets.len() as f64 * BUCKET.as_secs_f64(), most: f64::from(most) };

    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = write_picture(&mut svg, &axes, &buckets, timeline, failovers);
    svg
}

fn bucket(at: Duration) -> usize {
    (at.as_millis() / BUCKET.as_millis()) as usize
}

struct Axes {
    /// In seconds.
    end: f64,
    /// Writes per bucket.
    most: f64,
}

impl Axes {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.end
    }

    fn y(&self, writes: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * writes / self.most
    }
}

fn write_picture(
    svg: &mut String,
    axes: &Axes,
    buckets: &[u32],
    timeline: &Timeline,
    failovers: &[Failover],
) -> std::fmt::Result {
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"
font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="20" font-size="14">acknowledged writes per {} ms</text>"##,
        BUCKET.as_millis()
    )?;
    for (index, count) in buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
        let from = index as f64 * BUCKET.as_secs_f64();
        let (x, y) = (axes.x(from), axes.y(f64::from(*count)));
        let width = (axes.x(from + BUCKET.as_secs_f64()) - x - 0.5).max(0.5);
        let height = HEIGHT - BOTTOM - y;
        writeln!(
            svg,
            r##"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"
fill="#4878a8"/>"##
        )?;
    }
    let base = HEIGHT - BOTTOM;
    writeln!(
        svg,
        r##"<path d="M{LEFT} {TOP}V{base}H{}" fill="none" stroke="#333"/>"##,
        WIDTH - RIGHT
    )?;
    for writes in [axes.most, axes.most / 2.0, 0.0] {
        let y = axes.y(writes);
        writeln!(
            svg,
            r##"<text x="{}" y="{:.1}" text-anchor="end">{writes:.0}</text>"##,
            LEFT - 6.0,
            y + 4.0
        )?;
    }
    let step = tick(axes.end);
    let ticks = (axes.end / step) as u32;
    for second in (0..=ticks).map(|n| f64::from(n) * step) {
        let x = axes.x(second);
        writeln!(
            svg,
            r##"<text x="{x:.1}" y="{}" text-anchor="middle">{second} s</text>"##,
            base + 18.0
        )?;
    }
    for (at, host) in timeline.kills() {
        mark(svg, axes, at, "#b03030", &format!("kill -9 {host}"), base + 34.0)?;
    }
    for failover in failovers {
        mark(svg, axes, failover.at, "#308030", &format!("{} elected", failover.new), TOP - 6.0)?;
    }
    writeln!(svg, "</svg>")
}

/// A vertical line with its text.
fn mark(
    svg: &mut String,
    axes: &Axes,
    at: Duration,
    colour: &str,
    text: &str,
    text_y: f64,
) -> std::fmt::Result {
    let x = axes.x(at.as_secs_f64().min(axes.end));
    let anchor = if x > WIDTH * 0.7 { "end" } else { "start" };
    writeln!(
        svg,
        r##"<path d="M{x:.1} {TOP}V{}" stroke="{colour}" stroke-dasharray="4 3"/>
<text x="{x:.1}" y="{text_y}" fill="{colour}" text-anchor="{anchor}">{text}</text>"##,
        HEIGHT - BOTTOM
    )
}

/// The distance of two labels on the time axis: 1, 2 or 5 times a power of ten, with at most ten
/// labels.
fn tick(seconds: f64) -> f64 {
    let raw = seconds / 10.0;
    let power = 10_f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= raw).unwrap_or(raw)
}
