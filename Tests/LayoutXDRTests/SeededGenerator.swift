/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same sequence for a seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

extension SeededGenerator {
    /// A number that is often at an edge.
    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_ type: Number.Type = Number.self) -> Number {
        switch Int.random(in: 0..<8, using: &self) {
        case 0: 0
        case 1: 1
        case 2: .max
        case 3: .max - 1
        case 4: Number(1) << Number.random(in: 0..<Number(Number.bitWidth), using: &self)
        default: Number.random(in: 0...(.max), using: &self)
        }
    }

    mutating func signed() -> Int64 { Int64(bitPattern: self.number()) }

    mutating func bool() -> Bool { Bool.random(using: &self) }

    mutating func count(upTo limit: Int) -> Int {
        switch Int.random(in: 0..<16, using: &self) {
        case 0: limit
        case 1: 0
        default: Int.random(in: 0...min(limit, 12), using: &self)
        }
    }

    mutating func bytes(upTo limit: Int) -> [UInt8] {
        let count = self.count(upTo: limit)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    /// Text whose UTF-8 is within `limit`.
    mutating func text(upTo limit: Int) -> String {
        var text = ""
        let count = self.count(upTo: limit)
        while true {
            let next = ["a", "z", " ", "0", "\0", "ß", "€", "🦊", "e\u{301}"].randomElement(using: &self) ?? ""
            guard text.utf8.count + next.utf8.count <= count else { return text }
            text += next
        }
    }

    mutating func element<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &self)]
    }
}
