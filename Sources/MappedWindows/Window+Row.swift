import CMappedWindows

extension Window {
    /// Makes windows that follow each other without a gap, so that one pointer reaches them all.
    ///
    /// Each is revoked and released alone. Two neighbours can show bytes that follow each other in a file, so every other
    /// window is marked (left out of core dumps, `MADV_DONTDUMP`): the kernel then does not merge their mappings, and
    /// revoking one never has to split a mapping, which can fail.
    /// - Parameters:
    ///   - size: Bytes in all, at least one; rounded up to pages.
    ///   - part: Bytes in each window but the last; rounded up to 2 MiB.
    /// - Returns: The windows, in the order of their addresses.
    /// - Throws: ``WindowError/Code/noRoom``, ``WindowError/Code/unsupported``.
    package static func row(size: Int, part: Int) throws(WindowError) -> [Window] {
        let granule = WindowPlace.granule
        let step = max(granule, (min(part, Int.max / 4) + granule - 1) & ~(granule - 1))
        let places = try WindowPlace.reserve(size).divided(into: step)
        var windows: [Window] = []
        for (index, place) in places.enumerated() {
            do {
                windows.append(try Window(place, isSetApart: index % 2 == 1, isWritableOnDemand: false))
            } catch {
                // Those that exist give their own places back.
                for left in places[index...] { mw_unreserve(left.reservation, left.reserved) }
                throw error
            }
        }
        return windows
    }
}
