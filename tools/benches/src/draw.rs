// SPDX-License-Identifier: GPL-2.0

//! build/bench.tsv as a picture: a line for each figure, a dot for its ratio to each peer.
//!
//!            1/16   1/4     1      4
//!   pair o0    |  o  | |     |      |      0.12 <=0.20     o ratio, in the peer's colour
//!   pair o9    |     | |  O  |      |      0.61 <=0.25     | target; O a target that is missed
//!
//! # Cost        a few lines of SVG for each row, and some for the frame.
//! # Limits      rows without a ratio are left out. A ratio beyond the axis stands at its end.

use crate::report::real;
use crate::targets::Target;
use std::fmt::Write;

/// Where the axis begins and ends, as exponents of 2.
const AXIS: (f64, f64) = (-7.0, 5.0);

const LABELS: f64 = 230.0;
const PLOT: f64 = 520.0;
const NUMBERS: f64 = 230.0;
const LINE: f64 = 17.0;
const TOP: f64 = 74.0;

/// Colours that the colour-blind can tell apart too, after Okabe and Ito.
const COLOURS: &[&str] = &[
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666",
];

/// A row that has a ratio.
#[derive(Debug, PartialEq)]
struct Row<'a> {
    label: String,
    peer: &'a str,
    ratio: f64,
    target: Option<Target>,
}

impl Row<'_> {
    fn is_missed(&self) -> bool {
        self.target
            .is_some_and(|target| !target.is_met_by(self.ratio))
    }
}

/// Draws the table `tsv`.
pub fn draw(tsv: &str) -> String {
    let rows: Vec<Row<'_>> = tsv.lines().skip(1).filter_map(parse).collect();
    let mut peers: Vec<&str> = Vec::new();
    for row in &rows {
        if !peers.contains(&row.peer) {
            peers.push(row.peer);
        }
    }
    let figures: Vec<&[Row<'_>]> = rows.chunk_by(|a, b| a.label == b.label).collect();
    let height = TOP + LINE * real(figures.len()) + 20.0;
    let mut svg = String::new();
    begin(&mut svg, height, &rows);
    legend(&mut svg, &peers);
    axis(&mut svg, height);
    for (number, figure) in figures.into_iter().enumerate() {
        let y = TOP + LINE * (real(number) + 0.5);
        label(&mut svg, y, &figure[0].label);
        // The middle of the line is the first peer's: its mark is drawn last.
        for row in figure.iter().rev() {
            mark(&mut svg, y, row, colour(&peers, row.peer));
        }
        numbers(&mut svg, y, figure, &peers);
    }
    svg + "</svg>\n"
}

fn parse(line: &str) -> Option<Row<'_>> {
    let mut fields = line.split('\t');
    let mut next = || fields.next();
    let [harness, work, size, pattern, cpus] = [next()?, next()?, next()?, next()?, next()?];
    let [peer, _, _, ratio, target] = [next()?, next()?, next()?, next()?, next()?];
    let words = [harness, work, size, pattern].into_iter();
    let mut label: Vec<&str> = words.filter(|word| *word != "-").collect();
    let many = format!("{cpus} CPUs");
    if cpus != "1" {
        label.push(&many);
    }
    Some(Row {
        label: label.join(" "),
        // A view's peers are files of the kernel's, by all their names.
        peer: if peer.starts_with('/') { "files" } else { peer },
        ratio: ratio.parse().ok()?,
        target: Target::parse(target),
    })
}

fn place(ratio: f64) -> f64 {
    let (first, last) = AXIS;
    // 0 is at -inf, which is beyond the axis too.
    let exponent = ratio.log2().clamp(first, last);
    LABELS + PLOT * (exponent - first) / (last - first)
}

fn colour(peers: &[&str], peer: &str) -> &'static str {
    let number = peers.iter().position(|known| *known == peer).unwrap_or(0);
    COLOURS[number % COLOURS.len()]
}

fn begin(svg: &mut String, height: f64, rows: &[Row<'_>]) {
    let width = LABELS + PLOT + NUMBERS;
    let nr_targets = rows.iter().filter(|row| row.target.is_some()).count();
    let nr_missed = rows.iter().filter(|row| row.is_missed()).count();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\" font-weight=\"bold\">oxmm / peer: {} ratios, \
         {nr_targets} with a target, {nr_missed} missed</text>",
        rows.len()
    );
}

fn legend(svg: &mut String, peers: &[&str]) {
    let mut x = 10.0;
    for peer in peers {
        let colour = colour(peers, peer);
        let text = escape(peer);
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"37\" r=\"4.5\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"41\">{text}</text>",
            x + 9.0
        );
        x += 30.0 + 6.5 * real(peer.len());
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"41\" text-anchor=\"end\" fill=\"#555\">bar: target; ring: missed; left is \
         faster, of frag_* right is more</text>",
        LABELS + PLOT + NUMBERS - 10.0
    );
}

fn axis(svg: &mut String, height: f64) {
    let bottom = height - 20.0;
    let (first, last) = AXIS;
    let mut exponent = first;
    while exponent <= last {
        let x = place(exponent.exp2());
        let (colour, width) = if exponent == 0.0 {
            ("#000", 1.2)
        } else {
            ("#ddd", 1.0)
        };
        let text = if exponent < 0.0 {
            format!("1/{}", (-exponent).exp2())
        } else {
            format!("{}", exponent.exp2())
        };
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" x2=\"{x}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"{colour}\" \
             stroke-width=\"{width}\"/><text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" \
             fill=\"#555\">{text}</text>",
            TOP - 6.0
        );
        exponent += 1.0;
    }
}

fn label(svg: &mut String, y: f64, text: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"10\" x2=\"{}\" y1=\"{1}\" y2=\"{1}\" stroke=\"#eee\"/>\
         <text x=\"10\" y=\"{2}\">{3}</text>",
        LABELS + PLOT + NUMBERS - 10.0,
        y + LINE / 2.0,
        y + 4.0,
        escape(text)
    );
}

fn mark(svg: &mut String, y: f64, row: &Row<'_>, colour: &str) {
    let x = place(row.ratio);
    if let Some(target) = row.target {
        let at = place(target.ratio());
        let _ = writeln!(
            svg,
            "<line x1=\"{at}\" x2=\"{at}\" y1=\"{}\" y2=\"{}\" stroke=\"{colour}\" \
             stroke-width=\"2.5\"/>",
            y - LINE / 2.0 + 1.0,
            y + LINE / 2.0 - 1.0
        );
    }
    let _ = writeln!(
        svg,
        "<circle cx=\"{x}\" cy=\"{y}\" r=\"4.5\" fill=\"{colour}\"/>"
    );
    if row.is_missed() {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"7\" fill=\"none\" stroke=\"#d00\" \
             stroke-width=\"2\"/>"
        );
    }
}

/// The ratios in the colours of their peers, in the order of the table.
fn numbers(svg: &mut String, y: f64, figure: &[Row<'_>], peers: &[&str]) {
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\">",
        LABELS + PLOT + 14.0,
        y + 4.0
    );
    for row in figure {
        let colour = colour(peers, row.peer);
        let weight = if row.is_missed() { "bold" } else { "normal" };
        let target = row
            .target
            .map_or(String::new(), |target| format!(" {target}"));
        let text = escape(&format!("{:.2}{target}", row.ratio));
        let _ = write!(
            svg,
            "<tspan dx=\"6\" fill=\"{colour}\" font-weight=\"{weight}\">{text}</tspan>"
        );
    }
    let _ = writeln!(svg, "</text>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::HEADER;

    fn table(rows: &[&str]) -> String {
        let mut table = format!("{HEADER}\n");
        for row in rows {
            table += &row.replace(' ', "\t");
            table += "\n";
        }
        table
    }

    const MET: &str = "host pair o0 - 1 llfree 7.00 35.0 0.20 <=0.20";
    const MISSED: &str = "host free o9 lifo 2 oxmm-1cpu 12.0 10.0 1.20 <=1.15";
    const VIEW: &str = "uml read zones - 1 /proc/zoneinfo 100 50 2.00 -";
    const ABSENT: &str = "host pair o3 - 1 llfree - - - -";

    /// Two ratios, one beside its target; what has no ratio is not in the picture.
    #[test]
    fn rows_with_a_ratio_are_drawn() {
        let svg = draw(&table(&[MET, MISSED, ABSENT, VIEW]));
        assert!(svg.contains("3 ratios, 2 with a target, 1 missed"));
        assert!(svg.contains(">host pair o0</text>"));
        assert!(svg.contains(">host free o9 lifo 2 CPUs</text>"));
        assert!(svg.contains("0.20 &lt;=0.20"));
        assert!(!svg.contains("o3"));
        assert!(svg.contains(">files</text>") && !svg.contains("/proc"));
        // Three rows and three names; a ring besides.
        assert_eq!(svg.matches("r=\"4.5\"").count(), 6);
        assert_eq!(svg.matches("r=\"7\"").count(), 1);
    }

    /// A table without a ratio makes a picture without a dot.
    #[test]
    fn a_table_without_ratios_is_a_frame() {
        let svg = draw(&table(&[ABSENT]));
        assert!(svg.contains("0 ratios"));
        assert!(!svg.contains("<circle"));
        assert!(svg.ends_with("</svg>\n"));
    }

    /// Half as much is left of the middle line, twice as much right, both as far.
    #[test]
    fn places_are_on_a_logarithmic_axis() {
        let left = place(1.0) - place(0.5);
        let right = place(2.0) - place(1.0);
        assert!((left - right).abs() < 1e-9 && left > 0.0);
        assert!((place(0.0) - LABELS).abs() < 1e-9);
        assert!((place(f64::INFINITY) - LABELS - PLOT).abs() < 1e-9);
    }
}
