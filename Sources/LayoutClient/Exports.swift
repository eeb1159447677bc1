// The words that the library's interface is made of: byte ranges, statuses, operations, extents, client IDs.
@_exported public import LayoutCore
