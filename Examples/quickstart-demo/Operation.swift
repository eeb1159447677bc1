/// A mapping change of the demonstration.
enum Operation: Hashable, Sendable {
    case insert(offset: UInt64, length: UInt64)
    case collapse(offset: UInt64, length: UInt64)
    case punch(offset: UInt64, length: UInt64)
    case zero(offset: UInt64, length: UInt64)
    case truncate(size: UInt64)

    /// The first byte that it may change or move; all behind may be affected too, but for a punch or zero.
    func affected(size: UInt64) -> Range<UInt64> {
        switch self {
        case .insert(let offset, _), .collapse(let offset, _): offset..<UInt64.max
        case .punch(let offset, let length), .zero(let offset, let length): offset..<offset + length
        case .truncate(let new): min(new, size)..<UInt64.max
        }
    }

    /// As one line between processes; ``init(line:)`` reads it.
    var line: String {
        switch self {
        case .insert(let offset, let length): "insert \(offset) \(length)"
        case .collapse(let offset, let length): "collapse \(offset) \(length)"
        case .punch(let offset, let length): "punch \(offset) \(length)"
        case .zero(let offset, let length): "zero \(offset) \(length)"
        case .truncate(let size): "truncate \(size)"
        }
    }

    init?(line: some StringProtocol) {
        let words = line.split(separator: " ")
        let numbers = words.dropFirst().compactMap { UInt64($0) }
        guard numbers.count == words.count - 1 else { return nil }
        switch (words.first, numbers.count) {
        case ("insert", 2): self = .insert(offset: numbers[0], length: numbers[1])
        case ("collapse", 2): self = .collapse(offset: numbers[0], length: numbers[1])
        case ("punch", 2): self = .punch(offset: numbers[0], length: numbers[1])
        case ("zero", 2): self = .zero(offset: numbers[0], length: numbers[1])
        case ("truncate", 1): self = .truncate(size: numbers[0])
        default: return nil
        }
    }
}
