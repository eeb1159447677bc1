import CMappedWindows
import Synchronization

extension Window {
    /// Flushes bytes of a window on persistent memory from the CPU's caches (libpmem): then they survive a power cut.
    ///
    /// No system call, and about a microsecond for 4 KiB. Never waits, and needs no pin: a revocation that comes in between
    /// makes it fail. Any thread may call it.
    /// - Parameter part: Offsets into the window, inside it and not empty.
    /// - Returns: `false` if that says nothing about the bytes, and the file has to be synchronised: the window is not mapped
    ///   with `MAP_SYNC`, was revoked, or the file ends before.
    package func persist(_ part: Range<Int>) -> Bool {
        precondition(part.lowerBound >= 0 && part.upperBound <= self.size, "bytes \(part) are not in the window")
        Window.checkProcess()
        let begun = mw_window_word(self.slot)
        guard begun & MW_GRANTED != 0, self.isSynchronous.load(ordering: .relaxed),
            mw_persist(self.address + UInt(part.lowerBound), part.count)
        else { return false }
        // The same generation: it was this mapping all the time.
        let ended = mw_window_word(self.slot)
        return ended & MW_GRANTED != 0 && ended >> MW_GENERATION_SHIFT == begun >> MW_GENERATION_SHIFT
    }
}
