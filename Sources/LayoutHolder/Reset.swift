extension LayoutHolder {
    /// How far giving everything back has come, where the two sides may not agree about what is held of a file.
    ///
    /// A value that its owner tells what happens. The answer to a return is known by its number: an earlier one's can come
    /// while a later one is under way, and ends nothing.
    package struct Reset: Hashable, Sendable {
        private enum Phase: Hashable, Sendable {
            /// None is needed. Next: `waiting`.
            case none
            /// LAYOUTGETs are under way that could still be granted. Next: `sent`, `none`.
            case waiting
            /// LAYOUTRETURN was sent. Next: `none`, or `waiting` if nobody knows whether it was executed.
            case sent
        }

        private var phase = Phase.none
        private var lastNumber: UInt64 = 0

        package init() {}

        /// Whether something is to be given back, or its return has no answer yet.
        package var isUnderWay: Bool { self.phase != .none }

        /// Whether the return has yet to be sent.
        package var isWaiting: Bool { self.phase == .waiting }

        /// Begins, unless one is under way; returns whether it did.
        package mutating func begin() -> Bool {
            guard self.phase == .none else { return false }
            self.phase = .waiting
            return true
        }

        /// The return is sent; its answer is known by the number.
        package mutating func send() -> UInt64 {
            self.phase = .sent
            self.lastNumber += 1
            return self.lastNumber
        }

        /// Whether the answer to the return of this number is what is waited for.
        package func awaits(_ number: UInt64) -> Bool { self.phase == .sent && self.lastNumber == number }

        /// Nobody knows whether the return was executed: it is to be sent once more.
        package mutating func sendAgain() { self.phase = .waiting }

        /// All has been given back, or is void.
        package mutating func end() { self.phase = .none }
    }
}
