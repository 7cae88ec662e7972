//! A badge: an SVG image of one line, for a README.

use maud::html;

use super::Response;

/// Height in pixels, as in other services' badges.
const HEIGHT: usize = 20;

/// Space on both sides of a text, in pixels.
const PADDING: usize = 6;

/// The left part of every badge.
const LABEL: &str = "gox-server";

/// The colours of the right part. White text on each has a contrast of 5 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadgeColor {
    /// The program is built.
    Accent,
    /// The program is not built.
    Gray,
    /// The program cannot be built.
    Red,
}

impl BadgeColor {
    fn hex(self) -> &'static str {
        match self {
            BadgeColor::Accent => "#00708c",
            BadgeColor::Gray => "#5d666b",
            BadgeColor::Red => "#b3261e",
        }
    }
}

/// The content of a badge.
#[derive(Debug)]
pub struct Badge {
    /// The right part.
    pub message: String,
    /// What a screen reader says, and what the pointer shows.
    pub title: String,
    /// The colour of the right part.
    pub color: BadgeColor,
}

impl Badge {
    /// Returns the image. A browser that opens it runs nothing in it.
    pub fn respond(&self) -> Response {
        Response::text(200, "image/svg+xml", self.render())
            .with("Content-Security-Policy", "default-src 'none'")
    }

    fn render(&self) -> String {
        let [left, right] = [LABEL, &self.message].map(|text| text_width(text) + 2 * PADDING);
        let width = left + right;
        let text = |text: &str, middle: usize| {
            // The browser's font may be wider or narrower than the estimate.
            html! { text x=(middle) y="14" textLength=(text_width(text)) lengthAdjust="spacingAndGlyphs" { (text) } }
        };
        // Rounded at the left, straight at the right. No part has an ID, so a page may contain several badges.
        let left_part = format!("M{left} 0v{HEIGHT}H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z");
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(HEIGHT) role="img" aria-label=(self.title) {
                title { (self.title) }
                rect width=(width) height=(HEIGHT) rx="3" fill=(self.color.hex()) {}
                path d=(left_part) fill="#37434a" {}
                g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11" {
                    (text(LABEL, left / 2))
                    (text(&self.message, left + right / 2))
                }
            }
        };
        svg.into_string()
    }
}

/// Estimates the width of a text in 11 px Verdana.
fn text_width(text: &str) -> usize {
    let width = |letter| match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | '\'' | '|' | ' ' => 4,
        'f' | 'r' | 't' | '-' | '/' => 5,
        'm' | 'w' | 'M' | 'W' | '@' | '+' => 10,
        'A'..='Z' => 8,
        _ => 7,
    };
    text.chars().map(width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let badge = Badge {
            message: "</text><script>alert(1)</script>".to_owned(),
            title: "\"'><&".to_owned(),
            color: BadgeColor::Gray,
        };
        let svg = badge.render();
        assert!(
            !svg.contains("<script") && svg.contains("&lt;script&gt;"),
            "{svg}"
        );
        assert!(svg.contains("<title>&quot;'&gt;&lt;&amp;</title>"), "{svg}");
        assert!(svg.contains("aria-label=\"&quot;'&gt;&lt;&amp;\""), "{svg}");
    }

    #[test]
    fn image_is_as_wide_as_its_texts() {
        let width = |message: &str| {
            let color = BadgeColor::Accent;
            let (message, title) = (message.to_owned(), String::new());
            let svg = Badge {
                message,
                title,
                color,
            }
            .render();
            let (_, rest) = svg.split_once(" width=\"").unwrap();
            rest.split_once('"').unwrap().0.parse::<usize>().unwrap()
        };
        assert_eq!(width("v1.2.3") - width(""), text_width("v1.2.3"));
        assert_eq!(width(""), text_width(LABEL) + 4 * PADDING);
    }
}
