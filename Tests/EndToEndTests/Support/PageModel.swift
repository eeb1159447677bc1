import LayoutCore
import LayoutXDR

/// What a file must look like after the changes that were acknowledged: the name of each page.
///
/// No name is used twice, so a change that was lost, made twice or made elsewhere shows.
struct PageModel {
    private static var pagesMax: Int { 192 }

    private(set) var names: [UInt64]
    private var lastName: UInt64
    private var random: SeededNumbers

    init(_ file: StampedFile, seed: UInt64) {
        self.names = (1...file.pages).map { UInt64($0) }
        self.lastName = UInt64(file.pages)
        self.random = SeededNumbers(seed: seed)
    }

    /// Chooses a change, notes what comes of it, and returns the call that makes it.
    mutating func next(on file: FileHandle) -> Request {
        let place = self.random.below(self.names.count)
        let count = 1 + self.random.below(3)
        switch self.random.below(8) {
        case 0...2 where self.names.count < Self.pagesMax:
            self.names.insert(contentsOf: Array(repeating: 0, count: count), at: place)
            return Self.change(.insertRange, file, place, count)
        case 0...4 where place + count < self.names.count:
            self.names.removeSubrange(place..<(place + count))
            return Self.change(.collapseRange, file, place, count)
        case 5:
            self.names[place] = 0
            return Self.change(.punchHole, file, place, 1)
        default:
            self.lastName += 1
            self.names[place] = self.lastName
            var page = [UInt8](repeating: 0, count: Int(StampedFile.pageSize))
            for byte in 0..<8 { page[byte] = UInt8(truncatingIfNeeded: self.lastName >> (8 * byte)) }
            return .write(
                WriteArguments(
                    handle: file,
                    offset: UInt64(place) * StampedFile.pageSize,
                    isStable: true,
                    waitMilliseconds: 0,
                    data: page
                )
            )
        }
    }

    private static func change(_ operation: MappingOperation, _ file: FileHandle, _ place: Int, _ count: Int) -> Request
    {
        let page = StampedFile.pageSize
        return RawClient.change(operation, file, UInt64(place) * page, UInt64(count) * page)
    }
}
