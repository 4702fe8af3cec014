//! Whole-program tests of Hilum live in `tests/`: the window through its accessibility tree, the command line,
//! golden numbers.
