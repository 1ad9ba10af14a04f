//! Events that are nearly what a route wants.

use super::{Member, Writer};

impl Writer<'_, '_> {
    /// An event that is nearly one that a route wants.
    pub fn event(mut self) -> String {
        let members: &[Member<'_, Self>] = &[
            ("type", |w| w.nearly(&["\"config.updated\"", "\"config\\u002eupdated\""])),
            ("data", Self::data),
            ("timestamp", Self::time),
        ];
        self.object(members, 3);
        self.text
    }

    /// A body that nearly tells of a push to the default branch.
    pub fn push(mut self) -> String {
        let members: &[Member<'_, Self>] = &[
            ("ref", |w| {
                w.nearly(&["\"refs/heads/main\"", "\"refs\\/heads\\/m\\u0061in\"", "\"refs/heads/a\""]);
            }),
            ("after", Self::commit),
            ("repository", |w| {
                let branch: fn(&mut Self) = |w| w.nearly(&["\"main\"", "\"m\\u0061in\"", "\"a\""]);
                let time: fn(&mut Self) = |w| {
                    w.nearly(&[
                        "1780000000",
                        "1780000300",
                        "1780000301",
                        "0",
                        "-1",
                        "99999999999999999999",
                        "1.5",
                    ]);
                };
                w.object(&[("default_branch", branch), ("pushed_at", time)], 2);
            }),
        ];
        self.object(members, 3);
        self.text
    }

    /// A body that is nearly what a described route wants, or an array of such.
    pub fn flags(mut self, each: bool) -> String {
        if each {
            self.object(&[("events", |w| w.array(Self::flag)), ("x", Self::any)], 1);
        } else {
            self.flag();
        }
        self.text
    }

    fn flag(&mut self) {
        let id: fn(&mut Self) =
            |w| w.nearly(&["\"f-1\"", "\"\\u0066-2\"", "\"f-3\"", "\"..\"", "\"a/b\"", "null"]);
        let order: fn(&mut Self) = |w| {
            w.nearly(&[
                "1780000000123",
                "1780000300000",
                "1780000300000.000001",
                "1780000300000.0000001",
                "\"0.5\"",
                "18446744073709551615",
                "18446744073709551616",
                "-1",
                "1e3",
                "\"7\"",
            ]);
        };
        let members: &[Member<'_, Self>] = &[
            ("kind", |w| w.nearly(&["\"flag\"", "\"fl\\u0061g\"", "1", "1.0", "10e-1", "\"Flag\"", "\"1\""])),
            ("n/d", |w| w.nearly(&["\"n\"", "\"a/b é\"", "\"..\"", "\"\"", "5"])),
            ("at", order),
            ("x", |w| {
                w.nearly(&["[1]", "[ -12345678901234567890123 ,2]", "{\"0\":5}", "[1.0]", "[]", "[\"1\"]"]);
            }),
            ("all", |w| {
                w.object(&[("p", Self::any), ("x", Self::any), ("q", Self::any), ("p", Self::any)], 3);
            }),
            ("flow", id),
            ("y", Self::any),
            ("z", Self::any),
            ("off", Self::any),
        ];
        self.object(members, 5);
    }

    fn commit(&mut self) {
        let digits = self.choices.one(&["0123456789abcdef", "00000000", "ABCDEF01", "HEAD/../"]);
        let length = [40, 64, 39, 8][self.choices.below(4)];
        let id: String = digits.chars().cycle().take(length).collect();
        self.text.push_str(&format!("\"{id}\""));
    }

    fn data(&mut self) {
        let members: &[Member<'_, Self>] = &[
            ("config", Self::config),
            ("flow_id", |w| {
                w.nearly(&["\"f-1\"", "\"\\u0066-1\"", "\"f-2\"", "\"..\"", "\"a/b\"", "\"\\ud800\""]);
            }),
            ("node_id", |w| w.nearly(&["\"n\"", "\"{revision}\"", "\"a/b é\"", "\"..\"", "\"\""])),
        ];
        self.object(members, 3);
    }

    fn config(&mut self) {
        let number = |w: &mut Self| {
            w.nearly(&["30", "0", "4294967295", "4294967296", "-0", "030", "3e1", "30.0", "\"30\""]);
        };
        let members: &[Member<'_, Self>] = &[
            ("routing_priority", |w| w.nearly(&["\"high\"", "\"\\ud800\"", "\"\""])),
            ("queue_target", |w| w.nearly(&["\"vip\"", "\"v\\u0069p\"", "null"])),
            ("max_wait_time_seconds", number),
        ];
        self.object(members, 3);
    }

    fn time(&mut self) {
        self.nearly(&[
            "\"2026-05-28T20:26:40Z\"",
            "\"2026-05-28T20:31:40Z\"",
            "\"2026-05-28T20:31:40.000000001Z\"",
            "\"2026-05-28T22:26:40.5+02:00\"",
            "\"1970-01-01T00:00:00Z\"",
            "\"2026-05-28t20:26:40z\"",
            "\"2026-05-28 20:26:40Z\"",
            "\"2026-05-28T20:26:60Z\"",
            "\"2026-05-28T20:26:40-00:00\"",
            "\"2026-05-28T20:26:40\"",
            "\"2026-05-28T20:26:40Z[UTC]\"",
            "\"20260528T202640Z\"",
            "\"9999-12-31T23:59:59Z\"",
        ]);
    }
}
