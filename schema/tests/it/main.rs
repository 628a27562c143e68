//! The text form and the comparison, on schemas by hand and on generated ones.

mod build;
mod compare;
mod generate;
mod picture;
mod property;
mod text;
