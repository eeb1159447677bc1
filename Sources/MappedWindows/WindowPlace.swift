import CMappedWindows

/// Reserved address space that a window takes over.
struct WindowPlace {
    /// What windows begin at a multiple of, and what the lookup of an address goes by.
    static let granule = 1 << 21

    /// Where the window begins, and how many bytes it has.
    var address: UInt
    var size: Int
    /// What the window gives back in the end, guard pages included: whole granules.
    var reservation: UInt
    var reserved: Int

    /// Reserves a place, with guard pages on both sides.
    static func reserve(_ size: Int) throws(WindowError) -> WindowPlace {
        // Installs the handlers, if that has not been done.
        _ = try WindowRuntime.shared
        Window.checkProcess()
        guard size > 0, size <= Int.max / 4 else {
            throw WindowError(.noRoom, "cannot reserve a window of \(size) bytes: the size must be above 0 and sane")
        }
        let rounded = (size + pageSize - 1) & ~(pageSize - 1)
        var place = WindowPlace(address: 0, size: rounded, reservation: 0, reserved: 0)
        let error = unsafe mw_reserve(rounded, &place.address, &place.reservation, &place.reserved)
        guard error == 0 else {
            let message =
                "cannot reserve \(size) bytes of address space: release windows, or raise the limit (ulimit -v)"
            throw WindowError(.noRoom, message, errno: error)
        }
        return place
    }

    /// Cuts the place into places of `part` bytes, a multiple of the granule; the last one has the rest.
    ///
    /// The guard pages go to the first and the last one.
    func divided(into part: Int) -> [WindowPlace] {
        var places: [WindowPlace] = []
        var offset = 0
        let end = self.reservation + UInt(self.reserved)
        while offset < self.size {
            let size = min(part, self.size - offset)
            let address = self.address + UInt(offset)
            let first = offset == 0 ? self.reservation : address
            let last = offset + size == self.size ? end : address + UInt(size)
            places.append(WindowPlace(address: address, size: size, reservation: first, reserved: Int(last - first)))
            offset += size
        }
        return places
    }
}
