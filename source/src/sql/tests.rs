//! Scripts and what they are split into.
