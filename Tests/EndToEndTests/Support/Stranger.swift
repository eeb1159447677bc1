import LayoutCore
import LayoutXDR

/// A program that has never heard of the server, what it does to a file of 32 pages, and the recall that it must cause.
struct Stranger: Sendable {
    let words: [String]
    let operation: MappingOperation
    /// What is recalled of a layout of the whole file.
    let recalled: ByteRange
    /// What it makes of the file's bytes; `nil` if that is not compared.
    var effect: (@Sendable ([UInt8]) -> [UInt8])?
    /// It shares blocks.
    var needsXFS = false
    /// It moves bytes, so that the file's epoch has to be another one afterwards.
    var shifts = false

    private init(
        _ words: String,
        _ operation: MappingOperation,
        _ recalled: Range<UInt64>,
        needsXFS: Bool = false,
        shifts: Bool = false,
        _ effect: (@Sendable ([UInt8]) -> [UInt8])? = nil
    ) {
        self.words = words.split(separator: " ").map { String($0).replacing("+", with: " ") }
        self.operation = operation
        self.recalled = ByteRange(recalled.lowerBound, recalled.upperBound) ?? .all
        self.effect = effect
        self.needsXFS = needsXFS
        self.shifts = shifts
    }

    /// The arguments, with the paths put in.
    func arguments(file: String, other: String) -> [String] {
        self.words.dropFirst().map { $0.replacing("FILE", with: file).replacing("OTHER", with: other) }
    }

    private static let end: UInt64 = 32 * 4096

    private static let inserted: @Sendable ([UInt8]) -> [UInt8] = { bytes in
        Array(bytes[..<8192]) + [UInt8](repeating: 0, count: 4096) + Array(bytes[8192...])
    }
    private static let collapsed: @Sendable ([UInt8]) -> [UInt8] = { Array($0[..<8192]) + Array($0[12288...]) }
    private static let cleared: @Sendable ([UInt8]) -> [UInt8] = { bytes in
        Array(bytes[..<8192]) + [UInt8](repeating: 0, count: 4096) + Array(bytes[12288...])
    }
    private static func cut(_ size: Int) -> @Sendable ([UInt8]) -> [UInt8] { { Array($0[..<size]) } }

    /// Spaces within an argument are written `+`.
    static let all: [Stranger] = [
        Stranger("fallocate -i -o 8192 -l 4096 FILE", .insertRange, 8192..<end, shifts: true, inserted),
        Stranger("fallocate -c -o 8192 -l 4096 FILE", .collapseRange, 8192..<end, shifts: true, collapsed),
        Stranger("fallocate -p -o 8192 -l 4096 FILE", .punchHole, 8192..<12288, cleared),
        Stranger("fallocate -z -o 8192 -l 4096 FILE", .zeroRange, 8192..<12288, cleared),
        Stranger("truncate -s 50000 FILE", .truncate, 49152..<end, cut(50_000)),
        Stranger("sh -c :+>+FILE", .truncate, 0..<end, cut(0)),
        Stranger("xfs_io -c finsert+8192+4096 FILE", .insertRange, 8192..<end, shifts: true, inserted),
        Stranger("xfs_io -c fcollapse+8192+4096 FILE", .collapseRange, 8192..<end, shifts: true, collapsed),
        Stranger("xfs_io -c fpunch+8192+4096 FILE", .punchHole, 8192..<12288, cleared),
        Stranger("xfs_io -c fzero+8192+4096 FILE", .zeroRange, 8192..<12288, cleared),
        Stranger("xfs_io -c reflink+OTHER+0+8192+16384 FILE", .cloneTo, 8192..<24576, needsXFS: true),
        Stranger("cp --reflink=always OTHER FILE", .truncate, 0..<end, needsXFS: true),
        Stranger("cp --reflink=always FILE OTHER", .cloneFrom, 0..<end, needsXFS: true) { $0 },
        Stranger("python3 -c import+os;os.truncate('FILE',4096) FILE", .truncate, 4096..<end, cut(4096)),
        Stranger("guard-mutator ring fallocate 3 8192 4096 FILE", .unknown, 8192..<end, shifts: true, cleared),
        Stranger("guard-mutator ring fallocate 32 8192 4096 FILE", .unknown, 8192..<end, shifts: true, inserted),
    ]

    /// One that overwrites bytes: a break only for those who asked for it.
    static let writer = Stranger(
        "dd if=/dev/zero of=FILE bs=4096 seek=2 count=1 conv=notrunc",
        .write,
        8192..<12288,
        cleared
    )

    /// Programs that only read.
    static let readers = [
        ["cat", "FILE"], ["dd", "if=FILE", "of=/dev/null", "bs=65536", "iflag=direct"],
        ["cp", "--reflink=never", "FILE", "OTHER"], ["cmp", "FILE", "FILE"], ["stat", "FILE"],
        ["python3", "-c", "import mmap,os;m=mmap.mmap(os.open('FILE',os.O_RDONLY),0,prot=1);sum(m[::4096])"],
    ]
}
