import LayoutCore

/// A path below an export as it comes over the wire, checked: relative, UTF-8, without NUL and empty components.
///
/// The empty path is the directory itself. `.` and `..` are components like others here; whether they leave the export
/// is for the kernel to say (`openat2(2)`, `RESOLVE_BENEATH`), as symbolic links can do the same.
package struct ExportPath: Hashable, Sendable {
    /// Bytes in a whole path (`LL_PATH_MAX`).
    package static var lengthMax: Int { 1023 }
    /// Bytes in one component (`NAME_MAX`).
    package static var componentLengthMax: Int { 255 }

    /// The path, without a terminator.
    package let bytes: [UInt8]

    /// Checks a path.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/nameTooLong`` for a path of more than 1023 bytes or a component of more than
    ///   255; ``LayoutCore/LayoutStatus/badName`` for an absolute path, an empty component, a NUL, or invalid UTF-8.
    package init(_ bytes: [UInt8]) throws(LinuxError) {
        guard bytes.count <= Self.lengthMax else {
            throw LinuxError(
                refusing: .nameTooLong,
                "a path of \(bytes.count) bytes is too long; use at most \(Self.lengthMax), or start at a directory "
                    + "further down"
            )
        }
        guard !bytes.contains(0) else {
            throw LinuxError(refusing: .badName, "a path must not contain a NUL byte; remove it")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw LinuxError(refusing: .badName, "a path must be valid UTF-8; rename the file if its name is not")
        }
        guard bytes.first != UInt8(ascii: "/") else {
            throw LinuxError(
                refusing: .badName,
                "'\(text)' is an absolute path; paths are relative to the export, so leave the first '/' away"
            )
        }
        if !bytes.isEmpty {
            for component in bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
                guard !component.isEmpty else {
                    throw LinuxError(
                        refusing: .badName,
                        "'\(text)' has an empty component; write single slashes, and none at the end"
                    )
                }
                guard component.count <= Self.componentLengthMax else {
                    throw LinuxError(
                        refusing: .nameTooLong,
                        "a name of \(component.count) bytes in '\(text)' is too long; use at most "
                            + "\(Self.componentLengthMax)"
                    )
                }
            }
        }
        self.bytes = bytes
    }

    private init(unchecked bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// The directory part and the last component, for calls that create, remove or rename a name.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/badName`` if the path is empty or ends in `.` or `..`: those names are not
    ///   entries of their own.
    func split() throws(LinuxError) -> (parent: ExportPath, name: ExportPath) {
        let slash = self.bytes.lastIndex(of: UInt8(ascii: "/"))
        let name = self.bytes[(slash.map { $0 + 1 } ?? 0)...]
        guard !name.isEmpty, !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else {
            throw LinuxError(
                refusing: .badName,
                "'\(self)' does not end in a name that can be created, removed or renamed; name the entry itself"
            )
        }
        return (ExportPath(unchecked: self.bytes[..<(slash ?? 0)]), ExportPath(unchecked: name))
    }

    /// The bytes with a NUL behind them, for the kernel; the empty path becomes `.`.
    var terminated: [UInt8] { (self.bytes.isEmpty ? [UInt8(ascii: ".")] : self.bytes) + [0] }
}

extension ExportPath: CustomStringConvertible {
    /// The path as text.
    package var description: String { String(decoding: self.bytes, as: UTF8.self) }
}
