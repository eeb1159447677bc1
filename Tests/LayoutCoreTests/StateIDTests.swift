import LayoutCore
import Testing

/// Seqids go round without ever being 0 (RFC 8881 §12.5.3).
@Suite struct StateIDTests {
    private static let edges: [UInt32] = [
        1, 2, 3, 1000, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, .max - 2, .max - 1, .max,
    ]

    @Test func theSuccessorIsNeverZero() {
        #expect(StateID.successor(of: 1) == 2)
        #expect(StateID.successor(of: .max - 1) == .max)
        #expect(StateID.successor(of: .max) == 1)
        // A client that holds nothing sends 0; its first grant has 1.
        #expect(StateID.successor(of: 0) == 1)
    }

    @Test func everySuccessorIsOneStepAhead() {
        for seqid in Self.edges {
            #expect(StateID.distance(from: seqid, to: StateID.successor(of: seqid)) == 1, "\(seqid)")
            #expect(StateID.distance(from: StateID.successor(of: seqid), to: seqid) == -1, "\(seqid)")
        }
    }

    /// Steps are counted one by one on a walk across the wrap.
    @Test func distancesCountSteps() {
        let start: UInt32 = .max - 50
        var walk = [start]
        for _ in 0..<100 { walk.append(StateID.successor(of: walk[walk.count - 1])) }
        #expect(!walk.contains(0))
        for (i, older) in walk.enumerated() {
            for (j, newer) in walk.enumerated() {
                #expect(StateID.distance(from: older, to: newer) == Int64(j - i), "\(older) \(newer)")
            }
        }
    }

    @Test func distancesAreAntisymmetricAndAtMostHalfWay() {
        let half = Int64(UInt32.max / 2)
        for older in Self.edges {
            #expect(StateID.distance(from: older, to: older) == 0)
            for newer in Self.edges {
                let distance = StateID.distance(from: older, to: newer)
                #expect(StateID.distance(from: newer, to: older) == -distance, "\(older) \(newer)")
                #expect((-half...half).contains(distance), "\(older) \(newer)")
            }
        }
    }
}
