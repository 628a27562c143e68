//! A program as bytes of the embedded table. Numbers are LEB128; texts have their length before them.

use crate::leb128;

use super::{Command, Form, Piece, Program, Variable, What, Word};
#[cfg(feature = "psql")]
use super::{Part, Place};

impl Program {
    /// Encodes it.
    #[cfg(feature = "encode")]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::new());
        out.list(&self.declared, |out, name| out.text(name));
        let mut last = 0;
        out.list(&self.places, |out, place| {
            out.number(place.range.start - last);
            out.number(place.range.len());
            out.variable(&place.variable);
            last = place.range.end;
        });
        out.list(&self.commands, Writer::command);
        out.list(&self.files, |out, path| out.text(path));
        out.list(&self.parts, |out, part| {
            out.number(part.start);
            out.number(part.file);
        });
        out.0
    }

    /// Decodes what `encode` wrote.
    ///
    /// # Panics
    ///
    /// If these are other bytes. The macro writes them, and a table of another release does not compile.
    #[cfg(feature = "psql")]
    pub fn decode(bytes: &[u8]) -> Self {
        let mut reader = Reader(bytes);
        let declared = reader.list(Reader::text);
        let mut last = 0;
        let places = reader.list(|reader| {
            let start = last + reader.number();
            last = start + reader.number();
            Place { range: start..last, variable: reader.variable() }
        });
        let commands = reader.list(Reader::command);
        let files = reader.list(Reader::text);
        let parts = reader.list(|reader| Part { start: reader.number(), file: reader.number() });
        Self { declared, places, commands, files, parts }
    }
}

const FORMS: [Form; 4] = [Form::Plain, Form::Literal, Form::Identifier, Form::IsSet];

#[cfg(feature = "encode")]
struct Writer(Vec<u8>);

#[cfg(feature = "encode")]
impl Writer {
    fn number(&mut self, number: usize) {
        leb128::write(&mut self.0, number as u64);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.number(items.len());
        items.iter().for_each(|item| each(self, item));
    }

    fn variable(&mut self, variable: &Variable) {
        let form = FORMS.iter().position(|form| *form == variable.form).expect("the list has every form");
        self.number(form);
        self.text(&variable.name);
    }

    fn word(&mut self, word: &Word) {
        self.list(word, |out, piece| match piece {
            Piece::Text(text) => {
                out.number(0);
                out.text(text);
            }
            Piece::Variable(variable) => {
                out.number(1);
                out.variable(variable);
            }
        });
    }

    fn command(&mut self, command: &Command) {
        self.number(command.statement);
        match &command.what {
            What::Nothing => self.number(0),
            What::Set(name, words) => {
                self.number(1);
                self.text(name);
                self.list(words, Self::word);
            }
            What::GetEnv(name, variable) => {
                self.number(2);
                self.text(name);
                self.text(variable);
            }
            What::If(words) => {
                self.number(3);
                self.list(words, Self::word);
            }
            What::Elif(words) => {
                self.number(4);
                self.list(words, Self::word);
            }
            What::Else => self.number(5),
            What::EndIf => self.number(6),
            What::Echo(words) => {
                self.number(7);
                self.list(words, Self::word);
            }
            What::Connect(word) => {
                self.number(8);
                self.word(word);
            }
        }
    }
}

#[cfg(feature = "psql")]
struct Reader<'a>(&'a [u8]);

#[cfg(feature = "psql")]
impl Reader<'_> {
    fn number(&mut self) -> usize {
        let number = leb128::read(|| {
            let byte = self.0[0];
            self.0 = &self.0[1..];
            byte
        });
        usize::try_from(number).expect("the macro writes no number that memory cannot hold")
    }

    fn text(&mut self) -> String {
        let len = self.number();
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        String::from_utf8(text.to_vec()).expect("the macro writes UTF-8")
    }

    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.number()).map(|_| each(self)).collect()
    }

    fn variable(&mut self) -> Variable {
        let form = FORMS[self.number()];
        Variable { name: self.text(), form }
    }

    fn word(&mut self) -> Word {
        self.list(|reader| match reader.number() {
            0 => Piece::Text(reader.text()),
            _ => Piece::Variable(reader.variable()),
        })
    }

    fn command(&mut self) -> Command {
        let statement = self.number();
        let what = match self.number() {
            0 => What::Nothing,
            1 => What::Set(self.text(), self.list(Self::word)),
            2 => What::GetEnv(self.text(), self.text()),
            3 => What::If(self.list(Self::word)),
            4 => What::Elif(self.list(Self::word)),
            5 => What::Else,
            6 => What::EndIf,
            7 => What::Echo(self.list(Self::word)),
            8 => What::Connect(self.word()),
            other => panic!("the macro writes no command {other}"),
        };
        Command { statement, what }
    }
}

#[cfg(all(test, feature = "encode", feature = "psql"))]
mod tests {
    use super::*;

    #[test]
    fn a_program_round_trips_through_its_bytes() {
        let variable = |name: &str, form| Variable { name: name.to_owned(), form };
        let text = |text: &str| Piece::Text(text.to_owned());
        let words = vec![vec![text("a b"), Piece::Variable(variable("ä", Form::Plain))], vec![]];
        let whats = [
            What::Set("x".to_owned(), words.clone()),
            What::GetEnv("pw".to_owned(), "APP_PW".to_owned()),
            What::If(words.clone()),
            What::Elif(words.clone()),
            What::Else,
            What::EndIf,
            What::Echo(words.clone()),
            What::Connect(words[0].clone()),
            What::Nothing,
        ];
        let commands = whats.into_iter().enumerate().map(|(at, what)| Command { statement: 200 * at, what });
        let forms = FORMS.into_iter().enumerate();
        let program = Program {
            declared: vec!["owner".to_owned()],
            places: forms
                .map(|(at, form)| Place { range: 300 * at..300 * at + 5, variable: variable("v", form) })
                .collect(),
            commands: commands.collect(),
            files: vec!["1_x.sql".to_owned(), "roles.psql".to_owned()],
            parts: vec![Part { start: 0, file: 0 }, Part { start: 700, file: 1 }],
        };
        assert_eq!(Program::decode(&program.encode()), program);
        assert_eq!(Program::decode(&Program::default().encode()), Program::default());
    }
}
