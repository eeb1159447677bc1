import LayoutCore
import LayoutHolder
import LayoutXDR

/// Ends this client's access to both ranges of a clone, one after the other.
///
/// Files are taken in the order of their handles, so that two clones in opposite directions do not wait for each other.
final class CloneSteps {
    typealias Part = (file: FileCore, operation: MappingOperation, range: ByteRange)

    private let parts: [Part]
    private var permitted: [(Part, LayoutHolder.OwnChangeID)] = []

    init(source: Part, destination: Part) {
        let isInOrder = source.file.handle.order.lexicographicallyPrecedes(destination.file.handle.order)
        self.parts = isInOrder ? [source, destination] : [destination, source]
    }

    /// Tells when both ranges are free on this side; ``end(_:)`` has to follow then.
    func begin(
        pins: Set<LayoutHolder.WindowID>,
        patience: Duration,
        _ completion: @escaping (Result<Void, Failure>) -> Void
    ) {
        guard self.permitted.count < self.parts.count else { return completion(.success(())) }
        let part = self.parts[self.permitted.count]
        part.file.requestChange(part.operation, part.range, pins: pins, patience: patience) { [self] outcome in
            switch outcome {
            case .success(let id):
                self.permitted.append((part, id))
                self.begin(pins: pins, patience: patience, completion)
            case .failure(let failure):
                self.end(.failure(failure))
                completion(.failure(failure))
            }
        }
    }

    /// Tells both files how the clone ended.
    func end(_ result: Result<Response, Failure>) {
        for (part, id) in self.permitted {
            // The reply speaks of the destination.
            part.file.changeEnded(id, part.operation == .cloneTo ? result : result.map { _ in .void })
        }
        self.permitted = []
    }
}

extension FileHandle {
    fileprivate var order: [UInt64] { [self.low.low, self.low.high, self.high.low, self.high.high] }
}
