import Testing

/// All tests of the window runtime, one after the other: they share its counters, and many spin on every core.
@Suite(.serialized) enum WindowTests {}
