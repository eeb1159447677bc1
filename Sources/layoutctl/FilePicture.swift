import LayoutClient
import LayoutXDR

/// A file drawn with characters: what each part is, and below that who holds it.
struct FilePicture {
    let size: UInt64
    let extents: [Extent]
    let holders: [LayoutOwner]
    let maxLines: Int

    /// A cell's content.
    private func kind(_ cell: ByteRange) -> Character {
        var states: Set<ExtentState> = []
        for extent in self.extents where extent.range.overlaps(cell) { states.insert(extent.state) }
        guard states.count == 1, let state = states.first else { return states.isEmpty ? "." : "+" }
        switch state {
        case .data: return "#"
        case .unwritten: return "o"
        case .hole: return "."
        }
    }

    /// Who holds a cell; a capital letter stores.
    private func holder(_ cell: ByteRange, _ names: [String]) -> Character {
        var letters: Set<Character> = []
        for holder in self.holders where holder.layout.range.overlaps(cell) {
            guard let index = names.firstIndex(of: holder.name) else { continue }
            letters.insert(Self.letter(index, holder.layout.ioMode))
        }
        if letters.count > 1 { return "*" }
        return letters.first ?? " "
    }

    private static func letter(_ index: Int, _ ioMode: IOMode) -> Character {
        let base: Unicode.Scalar = ioMode == .readWrite ? "A" : "a"
        return Character(Unicode.Scalar(UInt8(base.value) + UInt8(index % 26)))
    }

    /// The picture and its legend.
    func lines(columns: Int) -> [String] {
        let label = max(ByteSize.exact(self.size).count, 8)
        let width = max(16, min(columns - label - 3, 128))
        // Cells of a power of two, not below a block.
        var cell: UInt64 = 4096
        while (self.size + cell - 1) / cell > UInt64(width * self.maxLines), cell < 1 << 62 { cell *= 2 }
        let cells = Int((self.size + cell - 1) / cell)
        var names: [String] = []
        for holder in self.holders where !names.contains(holder.name) { names.append(holder.name) }

        var lines: [String] = []
        for start in stride(from: 0, to: cells, by: width) {
            let row = (start..<min(start + width, cells)).compactMap {
                ByteRange(UInt64($0) * cell, UInt64($0 + 1) * cell)
            }
            let offset = ByteSize.exact(UInt64(start) * cell)
            lines.append(
                String(repeating: " ", count: max(0, label - offset.count)) + offset + "  "
                    + String(row.map { self.kind($0) })
            )
            let held = String(row.map { self.holder($0, names) })
            if held.contains(where: { $0 != " " }) { lines.append(String(repeating: " ", count: label + 2) + held) }
        }
        lines.append("")
        lines.append("one character = \(ByteSize.exact(cell));  # data  o allocated, unwritten  . hole  + several")
        for (index, name) in names.enumerated() {
            let modes = Set(self.holders.filter { $0.name == name }.map { $0.layout.ioMode })
            let letters = [IOMode.read, .readWrite].filter { modes.contains($0) }.map { mode in
                "\(Self.letter(index, mode)) \(mode.text)"
            }
            lines.append("\(letters.joined(separator: ", ")) layout: \(name)")
        }
        if names.count > 1 { lines.append("* several holders") }
        return lines
    }
}
