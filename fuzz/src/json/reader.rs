//! The reader: one method for each rule of the grammar.

use super::{Kind, Refusal, Value};

pub(super) struct Reader<'t> {
    pub(super) bytes: &'t [u8],
    pub(super) at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let takes = self.peek() == Some(byte);
        self.at += usize::from(takes);
        takes
    }

    pub(super) fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<Value, Refusal> {
        self.blank();
        let start = self.at;
        let kind = match self.peek().ok_or(Refusal::NotJson)? {
            b'{' | b'[' if depth == 0 => return Err(Refusal::Deep),
            b'{' => self.object(depth - 1)?,
            b'[' => self.array(depth - 1)?,
            b'"' => Kind::Text(self.string()?),
            b'-' | b'0'..=b'9' => self.number().ok_or(Refusal::NotJson)?,
            _ => self.word()?,
        };
        Ok(Value { span: start..self.at, kind })
    }

    fn object(&mut self, depth: usize) -> Result<Kind, Refusal> {
        let mut members = Vec::new();
        self.at += 1;
        self.blank();
        if self.takes(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            self.blank();
            let start = self.at;
            let key = self.string()?;
            let key = Value { span: start..self.at, kind: Kind::Text(key) };
            self.blank();
            if !self.takes(b':') {
                return Err(Refusal::NotJson);
            }
            members.push((key, self.value(depth)?));
            self.blank();
            if self.takes(b'}') {
                return Ok(Kind::Object(members));
            }
            if !self.takes(b',') {
                return Err(Refusal::NotJson);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Kind, Refusal> {
        let mut elements = Vec::new();
        self.at += 1;
        self.blank();
        if self.takes(b']') {
            return Ok(Kind::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.blank();
            if self.takes(b']') {
                return Ok(Kind::Array(elements));
            }
            if !self.takes(b',') {
                return Err(Refusal::NotJson);
            }
        }
    }

    fn word(&mut self) -> Result<Kind, Refusal> {
        for word in ["true", "false", "null"] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(Kind::Word);
            }
        }
        Err(Refusal::NotJson)
    }

    fn number(&mut self) -> Option<Kind> {
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _signed = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        Some(Kind::Word)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn string(&mut self) -> Result<Vec<u16>, Refusal> {
        let mut units = Vec::new();
        if !self.takes(b'"') {
            return Err(Refusal::NotJson);
        }
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            let plain = str::from_utf8(&self.bytes[start..self.at]).map_err(|_cut| Refusal::NotJson)?;
            units.extend(plain.encode_utf16());
            if self.takes(b'"') {
                return Ok(units);
            }
            if !self.takes(b'\\') {
                return Err(Refusal::NotJson);
            }
            units.push(self.escape().ok_or(Refusal::NotJson)?);
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let letter = self.peek()?;
        self.at += 1;
        Some(u16::from(match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                return digits.iter().try_fold(0, |unit, digit| {
                    Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?)
                });
            }
            _ => return None,
        }))
    }
}
