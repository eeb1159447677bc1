import LayoutCore
import LayoutXDR
import LinuxFiles

/// Where descriptors come from: what GETDEVICEINFO said about each device.
struct DeviceTable {
    /// Where a device's descriptors are handed out, or why this process cannot get any.
    enum Reach {
        case socket(String)
        case none(Failure)
    }

    private enum Entry {
        case asked([(Reach) -> Void])
        case known(Reach)
    }

    private var entries: [DeviceID: Entry] = [:]
    private let bootID: String?

    init() { self.bootID = try? Host.bootID() }

    /// Passes on what is known.
    ///
    /// Returns whether the server has to be asked: then ``learn(_:_:)`` is to follow.
    mutating func find(_ device: DeviceID, _ completion: @escaping (Reach) -> Void) -> Bool {
        switch self.entries[device] {
        case .known(let reach):
            completion(reach)
            return false
        case .asked(let waiting):
            self.entries[device] = .asked(waiting + [completion])
            return false
        case nil:
            self.entries[device] = .asked([completion])
            return true
        }
    }

    /// What the server said; returns who waits for it.
    mutating func learn(_ device: DeviceID, _ result: Result<DeviceInfo, Failure>) -> (Reach, [(Reach) -> Void]) {
        let waiting: [(Reach) -> Void] = if case .asked(let waiting) = self.entries[device] { waiting } else { [] }
        let reach = self.reach(result)
        // A failed call says nothing about the device: ask again next time.
        if case .failure = result { self.entries[device] = nil } else { self.entries[device] = .known(reach) }
        return (reach, waiting)
    }

    /// Forgets everything: device IDs end with the server's life.
    mutating func forgetKnown() {
        self.entries = self.entries.filter { if case .asked = $0.value { true } else { false } }
    }

    private func reach(_ result: Result<DeviceInfo, Failure>) -> Reach {
        switch result {
        case .failure(let failure):
            return .none(failure)
        case .success(.device):
            return .none(Failure(.unknownLayoutType, "the file is on a kind of device that this library cannot reach"))
        case .success(.file(let bootID, let path)):
            guard let own = self.bootID, Array(own.utf8) == bootID else {
                return .none(Failure(.layoutUnavailable, "the server runs on another host, or before this boot"))
            }
            guard path.count < 108, path.first == UInt8(ascii: "/"), !path.contains(0) else {
                return .none(Failure(.layoutUnavailable, "the server names no usable descriptor socket"))
            }
            return .socket(String(decoding: path, as: UTF8.self))
        }
    }
}
