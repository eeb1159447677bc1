/// A random number generator whose numbers depend on its seed alone (SplitMix64).
package struct SeededGenerator: RandomNumberGenerator, Hashable, Sendable {
    private var state: UInt64

    /// Makes a generator; equal seeds give equal numbers, in every process.
    package init(seed: UInt64) { self.state = seed }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number in `0 ..< bound`; `bound` is not 0.
    mutating func below(_ bound: UInt64) -> UInt64 { self.next() % bound }

    /// True once in `chances` times.
    mutating func oneIn(_ chances: UInt64) -> Bool { self.below(chances) == 0 }
}
