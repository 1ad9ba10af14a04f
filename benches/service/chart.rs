//! Curves, as SVG.

use std::fmt::Write as _;

use crate::figures::thousands;

/// Some lines over one axis; every ordinate begins at nought.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    /// Whether equal steps of the abscissa are equal factors.
    pub(crate) is_log: bool,
    pub(crate) lines: &'a [Line],
}

pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// As many as there are lines at most; each can be told from the others without colour vision.
const COLOURS: [&str; 3] = ["#767676", "#0b6bcb", "#b35900"];
/// Steps of the ordinate.
const STEPS: u32 = 5;

impl Chart<'_> {
    pub(crate) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n<title>{0}</title>\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{0}</text>\n",
            self.title
        );
        let top = self.top();
        for step in 0..=STEPS {
            let value = top * f64::from(step) / f64::from(STEPS);
            let y = self.y(value);
            _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                thousands(value),
            );
        }
        for (x, _) in self.lines.first().map_or(&[][..], |line| &line.points) {
            let (at, y) = (self.x_at(*x), HEIGHT - BOTTOM + 18.0);
            _ = writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                thousands(*x)
            );
        }
        let (middle, y) = (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 12.0);
        _ = writeln!(svg, "<text x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", self.x);
        for ((line, colour), row) in self.lines.iter().zip(COLOURS).zip(0_u32..) {
            self.draw(&mut svg, line, colour, row);
        }
        svg + "</svg>\n"
    }

    fn draw(&self, svg: &mut String, line: &Line, colour: &str, row: u32) {
        let at = |(x, y): &(f64, f64)| format!("{:.1},{:.1}", self.x_at(*x), self.y(*y));
        let points = Vec::from_iter(line.points.iter().map(at)).join(" ");
        let (x, y) = (WIDTH - RIGHT - 150.0, TOP + 18.0 * f64::from(row));
        _ = writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <path d=\"M{x} {}h24\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            y - 4.0,
            x + 32.0,
            line.name,
        );
    }

    /// The top of the ordinate: the first round number above everything.
    fn top(&self) -> f64 {
        let highest = self.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y).fold(1.0, f64::max);
        let step = 10_f64.powf(highest.log10().floor()) / 2.0;
        (highest / step).ceil() * step
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top()
    }

    fn x_at(&self, value: f64) -> f64 {
        let scale = |x: f64| if self.is_log { x.max(1.0).ln() } else { x };
        let all = self.lines.iter().flat_map(|line| &line.points).map(|(x, _)| scale(*x));
        let (least, most) = all.fold((f64::MAX, f64::MIN), |(least, most), x| (least.min(x), most.max(x)));
        let inset = 20.0;
        LEFT + inset
            + (WIDTH - LEFT - RIGHT - 2.0 * inset) * (scale(value) - least) / (most - least).max(1e-9)
    }
}
