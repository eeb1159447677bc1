internal import Synchronization

/// What C knows by a handle: numbers in the shape of pointers, none of which is given out twice.
///
/// So a handle that was closed, or that was never one, is found out, and a call under way keeps what it works on.
final class HandleTable<Object: Sendable>: Sendable {
    private struct Slot {
        /// How often the slot has been used; part of the handle.
        var generation: UInt
        var object: Object?
    }

    private struct State {
        var slots: [Slot] = []
        var free: [Int] = []
    }

    /// The low bits of a handle say of which table it is.
    private static var kindBits: UInt { 4 }
    private static var indexBits: UInt { 24 }

    private let kind: UInt
    private let state = Mutex(State())

    /// Makes an empty table; `kind` is a number from 1 to 15 of its own.
    init(kind: UInt) { self.kind = kind }

    /// Enters an object; `nil` if 16 million are open.
    func insert(_ object: Object) -> OpaquePointer? {
        let number: UInt? = self.state.withLock { state in
            let index: Int
            if let free = state.free.popLast() {
                index = free
            } else {
                guard state.slots.count < 1 << Self.indexBits else { return nil }
                index = state.slots.count
                state.slots.append(Slot(generation: 0, object: nil))
            }
            state.slots[index].generation += 1
            state.slots[index].object = object
            let generation = state.slots[index].generation << (Self.kindBits + Self.indexBits)
            return generation | UInt(index) << Self.kindBits | self.kind
        }
        return unsafe number.flatMap { unsafe OpaquePointer(bitPattern: $0) }
    }

    /// The object of a handle; `nil` if that is not an open one.
    subscript(handle: OpaquePointer?) -> Object? {
        self.state.withLock { state in unsafe Self.index(of: handle, self.kind, in: state).flatMap { state.slots[$0].object } }
    }

    /// Takes an object out; its handle means nothing from now on.
    func remove(_ handle: OpaquePointer?) -> Object? {
        self.state.withLock { state in
            guard let index = unsafe Self.index(of: handle, self.kind, in: state) else { return nil }
            state.free.append(index)
            return state.slots[index].object.take()
        }
    }

    private static func index(of handle: OpaquePointer?, _ kind: UInt, in state: State) -> Int? {
        let number = UInt(bitPattern: handle)
        let index = Int(number >> self.kindBits & (1 << self.indexBits - 1))
        guard number & (1 << self.kindBits - 1) == kind, index < state.slots.count,
            state.slots[index].object != nil,
            state.slots[index].generation & (.max >> (self.kindBits + self.indexBits))
                == number >> (self.kindBits + self.indexBits)
        else { return nil }
        return index
    }
}
