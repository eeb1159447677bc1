/// A value to write as JSON (RFC 8259).
enum JSONValue: CustomStringConvertible {
    case string(String)
    /// Also beyond 2^53: readers that keep numbers as doubles lose digits there.
    case number(UInt64)
    case signed(Int64)
    case bool(Bool)
    case null
    case array([JSONValue])
    /// In this order.
    case object([(String, JSONValue)])

    var description: String {
        switch self {
        case .string(let text): Self.quoted(text)
        case .number(let number): "\(number)"
        case .signed(let number): "\(number)"
        case .bool(let bool): "\(bool)"
        case .null: "null"
        case .array(let values): "[" + values.map { $0.description }.joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { Self.quoted($0.0) + ":" + $0.1.description }.joined(separator: ",") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

extension JSONValue {
    static func optional(_ number: UInt64?) -> JSONValue { number.map { .number($0) } ?? .null }
}
