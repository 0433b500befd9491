//! Horizontal bars as SVG, written by hand, without a plotting library.

use std::fmt::Write as _;

/// The colour of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The bound is met.
    Good,
    /// The figure is within the noise of the bound.
    Even,
    /// The bound is missed.
    Bad,
    /// There is no bound.
    Plain,
}

impl Tone {
    const fn colour(self) -> &'static str {
        match self {
            Self::Good => "#2f8f5b",
            Self::Even => "#c9a227",
            Self::Bad => "#c0392b",
            Self::Plain => "#5b7083",
        }
    }
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The text left of the bar.
    pub label: String,
    /// The length of the bar.
    pub value: f64,
    /// The text right of the bar.
    pub note: String,
    /// The colour of the bar.
    pub tone: Tone,
}

/// Bars with a title, and a line at one value.
#[derive(Clone, Debug)]
pub struct Bars {
    /// The text above the bars.
    pub title: String,
    /// The text below the bars, which explains their length.
    pub axis: String,
    /// The position of the reference line.
    pub line: f64,
    /// Longer bars are cut, and marked as cut.
    pub longest: f64,
    /// The bars, from top to bottom.
    pub bars: Vec<Bar>,
}

/// The minimum width of the labels, and the maximum width of a letter.
const LABEL_WIDTH: f64 = 330.0;
const LETTER: f64 = 6.6;
const BAR_WIDTH: f64 = 460.0;
const NOTE_WIDTH: f64 = 330.0;
const STEP: f64 = 20.0;
const TOP: f64 = 48.0;

impl Bars {
    /// The whole SVG file.
    pub fn to_svg(&self) -> String {
        let letters = self.bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
        let left = LABEL_WIDTH.max((letters as f64 * LETTER + 20.0).ceil());
        let width = left + BAR_WIDTH + NOTE_WIDTH;
        let bottom = TOP + STEP * self.bars.len() as f64;
        let height = bottom + 52.0;
        let scale = |value: f64| BAR_WIDTH * value.clamp(0.0, self.longest) / self.longest;
        let mut svg = String::new();
        let mut put = |line: std::fmt::Arguments<'_>| {
            svg.write_fmt(line)
                .and_then(|()| svg.write_char('\n'))
                .expect("a String takes all that is written")
        };
        put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\" \
             fill=\"#222\">"
        ));
        put(format_args!("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"));
        put(format_args!(
            "<text x=\"12\" y=\"26\" font-size=\"16\">{}</text>",
            escape(&self.title)
        ));
        let rows =
            || self.bars.iter().enumerate().map(|(index, bar)| (TOP + STEP * index as f64, bar));
        for (y, bar) in rows() {
            put(format_args!(
                "<rect x=\"{left}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>",
                y + 3.0,
                scale(bar.value),
                STEP - 6.0,
                bar.tone.colour()
            ));
        }
        // The line is drawn over the bars and under the text. The text has a halo, so that it is
        // readable on the line.
        let line_x = left + scale(self.line);
        put(format_args!(
            "<line x1=\"{line_x:.1}\" y1=\"{}\" x2=\"{line_x:.1}\" y2=\"{}\" stroke=\"#222\" \
             stroke-dasharray=\"4 3\"/>",
            TOP - 6.0,
            bottom + 6.0
        ));
        put(format_args!(
            "<text x=\"{line_x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 20.0,
            self.line
        ));
        for (y, bar) in rows() {
            let text_y = y + 14.0;
            let cut = if bar.value > self.longest { "» " } else { "" };
            put(format_args!(
                "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>",
                left - 8.0,
                escape(&bar.label)
            ));
            // The halo is a separate text, because not every viewer supports `paint-order`.
            for halo in [" stroke=\"white\" stroke-width=\"3\"", ""] {
                put(format_args!(
                    "<text x=\"{:.1}\" y=\"{text_y}\"{halo}>{cut}{}</text>",
                    left + scale(bar.value) + 5.0,
                    escape(&bar.note)
                ));
            }
        }
        put(format_args!(
            "<text x=\"12\" y=\"{}\" fill=\"#666\">{}</text>",
            bottom + 40.0,
            escape(&self.axis)
        ));
        put(format_args!("</svg>"));
        svg
    }
}

/// Escapes text for XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_is_as_long_as_its_value_up_to_a_limit() {
        let bar = |label: &str, value| Bar {
            label: label.into(),
            value,
            note: "n".into(),
            tone: Tone::Good,
        };
        let bars = vec![bar("half & half", 0.5), bar("far <off>", 9.0)];
        let svg =
            Bars { title: "t".into(), axis: "a".into(), line: 1.0, longest: 2.0, bars }.to_svg();
        assert!(svg.contains("width=\"115.0\""), "a quarter of the width for 0.5 of 2:\n{svg}");
        assert!(svg.contains("width=\"460.0\"") && svg.contains("» n"), "cut and marked:\n{svg}");
        assert!(svg.contains("half &amp; half") && svg.contains("far &lt;off&gt;"));
    }
}
