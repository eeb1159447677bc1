/// The RPC programs of `Protocol/layout.x`, in the range for users (RFC 5531 §8.3).
package enum LayoutProgram {
    /// `LAYOUT_PROGRAM`.
    package static var number: UInt32 { 0x2000_4c4c }
    /// `LAYOUT_V1`.
    package static var version: UInt32 { 1 }
    /// `LAYOUT_CALLBACK_V1`; the number of the callback program is the client's choice.
    package static var callbackVersion: UInt32 { 1 }
}
