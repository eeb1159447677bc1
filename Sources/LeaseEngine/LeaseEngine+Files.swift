package import LayoutCore

/// Files without layouts or waiters, in the order in which they became idle.
struct IdleFiles: Hashable, Sendable {
    private struct Entry: Hashable, Sendable {
        var file: FileID
        var stamp: UInt64
    }

    /// Those before `head` are taken out.
    private var entries: [Entry] = []
    private var head = 0
    private var lastStamp: UInt64 = 0
    /// Files that are idle now.
    private(set) var count = 0

    /// Adds a file; returns the stamp that it must still have when its turn comes.
    mutating func add(_ file: FileID) -> UInt64 {
        self.lastStamp += 1
        self.count += 1
        self.entries.append(Entry(file: file, stamp: self.lastStamp))
        return self.lastStamp
    }

    /// A file is idle no longer: in use again, or forgotten.
    ///
    /// Its entry is void from now on.
    mutating func leave() { self.count -= 1 }

    /// Takes out the oldest entry, void or not, or `nil` if there is none.
    mutating func pop() -> (file: FileID, stamp: UInt64)? {
        guard self.head < self.entries.count else { return nil }
        let entry = self.entries[self.head]
        self.head += 1
        if self.head > 1024, self.head * 2 > self.entries.count {
            self.entries.removeFirst(self.head)
            self.head = 0
        }
        return (entry.file, entry.stamp)
    }

    /// Whether void entries have piled up.
    var isCluttered: Bool { self.entries.count - self.head > 2 * self.count + 1024 }

    /// Drops the entries that are void.
    mutating func tidy(isValid: (FileID, UInt64) -> Bool) {
        self.entries = self.entries[self.head...].filter { isValid($0.file, $0.stamp) }
        self.head = 0
    }
}

extension LeaseEngine {
    /// Makes sure that a file has a state, and that it does not count as idle.
    mutating func remember(_ file: FileID) {
        if self.files[file] == nil {
            self.lastEpoch += 1
            self.files[file] = File(epoch: self.lastEpoch)
        }
        if self.files[file]?.idleStamp != nil {
            self.files[file]?.idleStamp = nil
            self.idleFiles.leave()
        }
    }

    /// Lets a file go that has nothing to do; its epoch and shifts stay known for a while.
    mutating func settle(_ file: FileID) {
        guard let state = self.files[file], state.isIdle, state.idleStamp == nil else { return }
        self.files[file]?.idleStamp = self.idleFiles.add(file)
        while self.idleFiles.count > self.configuration.idleFilesMax, let (oldest, stamp) = self.idleFiles.pop() {
            // It may have been in use since, and may be idle again with a later stamp.
            guard self.files[oldest]?.idleStamp == stamp else { continue }
            self.files[oldest] = nil
            self.idleFiles.leave()
        }
        if self.idleFiles.isCluttered {
            let files = self.files
            self.idleFiles.tidy { files[$0]?.idleStamp == $1 }
        }
    }

    /// The shifts of a file after the epoch that a caller knows, oldest first.
    ///
    /// `nil` if they are forgotten. A caller that knows no epoch (0) has nothing to follow and gets an empty list.
    package func shifts(of file: FileID, since epoch: UInt64) -> [LoggedShift]? {
        guard epoch != 0 else { return [] }
        guard let state = self.files[file] else { return nil }
        if epoch == state.epoch { return [] }
        if epoch == state.logStart { return state.shifts }
        guard let known = state.shifts.firstIndex(where: { $0.epoch == epoch }) else { return nil }
        return Array(state.shifts[(known + 1)...])
    }

    /// Enters a completed shift into its file's log; what a recall announces is only an intention (specification §6.4).
    mutating func log(_ part: MappingChange) {
        guard let shift = part.shift else {
            // It may have been a shift.
            if part.mayMoveBytes { self.forgetShifts(of: part.file) }
            return
        }
        self.lastEpoch += 1
        self.files[part.file]?.epoch = self.lastEpoch
        self.files[part.file]?.shifts.append(LoggedShift(epoch: self.lastEpoch, shift: shift))
        while let state = self.files[part.file], state.shifts.count > self.configuration.shiftsMax {
            self.files[part.file]?.logStart = state.shifts[0].epoch
            self.files[part.file]?.shifts.removeFirst()
        }
    }

    /// What is known of a file's shifts.
    package struct ShiftLog: Hashable, Sendable {
        package var epoch: UInt64
        /// The epoch before the oldest shift that is remembered.
        package var start: UInt64
        /// Oldest first.
        package var shifts: [LoggedShift]
    }

    /// The shifts of a file, as they are kept; all zero if nothing is known of it.
    package func log(of file: FileID) -> ShiftLog {
        guard let state = self.files[file] else { return ShiftLog(epoch: 0, start: 0, shifts: []) }
        return ShiftLog(epoch: state.epoch, start: state.logStart, shifts: state.shifts)
    }

    /// Somebody moved bytes of a file and nobody knows which: what was known of its shifts is void (specification
    /// R6.4-22).
    package mutating func forgetShifts(of file: FileID) {
        guard self.files[file] != nil else { return }
        self.lastEpoch += 1
        self.files[file]?.epoch = self.lastEpoch
        self.files[file]?.logStart = self.lastEpoch
        self.files[file]?.shifts = []
    }

    /// A log that says that nothing is known of a file's shifts, under an epoch that no state of any file has, or will
    /// have.
    package mutating func voidLog() -> ShiftLog {
        self.lastEpoch += 1
        return ShiftLog(epoch: self.lastEpoch, start: self.lastEpoch, shifts: [])
    }

    /// The mapping epoch of a file, or 0 if nothing is known of it.
    package func epoch(of file: FileID) -> UInt64 { self.files[file]?.epoch ?? 0 }
}

extension MappingChange {
    /// Whether bytes are somewhere else once it is done, as far as can be told.
    package var mayMoveBytes: Bool { self.operation == .unknown || self.shift != nil }
}
