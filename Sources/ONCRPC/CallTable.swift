/// The calls of the peer that have not been answered: a bounded table of places.
///
/// Keyed by place and generation, not by transaction id: a peer may use an id twice, an answer may come late or twice.
struct CallTable {
    private struct Place {
        var generation: UInt32 = 0
        var isTaken = false
    }

    private let capacity: Int
    private var places: [Place] = []
    private var free: [UInt32] = []

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// Calls in flight.
    var count: Int { self.places.count - self.free.count }

    /// Takes a place for a call; `nil` if all are taken.
    mutating func begin(xid: UInt32) -> RPCCallID? {
        let slot: UInt32
        if let place = self.free.popLast() {
            slot = place
        } else if self.places.count < self.capacity {
            slot = UInt32(self.places.count)
            self.places.append(Place())
        } else {
            return nil
        }
        self.places[Int(slot)].isTaken = true
        return RPCCallID(xid: xid, slot: slot, generation: self.places[Int(slot)].generation)
    }

    /// Gives the place of a call back.
    ///
    /// False if the call is not, or no longer, in flight.
    mutating func end(_ call: RPCCallID) -> Bool {
        let index = Int(call.slot)
        guard index < self.places.count, self.places[index].isTaken, self.places[index].generation == call.generation
        else { return false }
        self.places[index].isTaken = false
        self.places[index].generation &+= 1
        self.free.append(call.slot)
        return true
    }
}
