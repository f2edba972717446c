import Basics
import Tensors

/// The validated header of a safetensors file.
///
/// The format: a little-endian 64-bit length, that many bytes of JSON, then the tensors' data without
/// gaps (https://github.com/huggingface/safetensors). What passes here is safe to compute with: shapes,
/// products of dimensions (a zero dimension aside) and ranges fit in `Int`.
package struct SafetensorsHeader: Sendable {
  /// What the header says about one tensor.
  package struct Entry: Sendable, Equatable {
    /// The name; any string but `__metadata__`.
    package let name: String
    /// The element type.
    package let dtype: DType
    /// The sizes of the dimensions, outermost first.
    package let shape: [Int]
    /// Where the data is, in bytes from the start of the file.
    package let byteRange: Range<Int>
  }

  /// The tensors, in the order of their data.
  package let entries: [Entry]

  /// The strings of `__metadata__`, such as `format`; empty if there is none.
  package let metadata: JSONObject

  /// The bytes before the data: the length and the JSON.
  package let byteCount: Int

  /// The most bytes of JSON that a header may have, as in the reference implementation.
  package static let maximumLength = 100_000_000

  /// The bytes before the JSON.
  static let prefixLength = 8

  /// Checks the length that the first eight bytes give against the file's size.
  static func checkedLength(
    prefix: some Sequence<UInt8>, fileByteCount: Int
  ) throws(SafetensorsProblem) -> Int {
    guard fileByteCount >= prefixLength else { throw .tooShort(byteCount: fileByteCount) }
    // A clone without LFS leaves a text file that begins like this.
    if prefix.elementsEqual("version ".utf8) { throw .gitLFSPointer }
    let text = prefix.drop { $0 <= 0x20 }.map { $0 | 0x20 }
    if text.starts(with: "<html".utf8) || text.starts(with: "<!doc".utf8) { throw .webPage }
    let announced = prefix.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard announced <= UInt64(maximumLength) else { throw .headerTooLong(length: announced) }
    let length = Int(announced)
    let available = fileByteCount - prefixLength
    guard length <= available else { throw .headerBeyondEnd(length: length, available: available) }
    return length
  }

  /// Parses and validates the JSON of a header that lies in a file of `fileByteCount` bytes.
  package init(parsing text: [UInt8], fileByteCount: Int) throws(SafetensorsProblem) {
    guard let first = text.first else { throw .headerEmpty }
    guard first == UInt8(ascii: "{") else { throw .headerStart(byte: first) }
    let byteCount = Self.prefixLength + text.count
    let available = fileByteCount - byteCount
    // Problems of the JSON come first, then those of the metadata, wherever in the text they are.
    var metadata = Result<JSONObject, SafetensorsProblem>.success(JSONObject())
    var entries: [Entry] = []
    // About as many as there are: a header of many tensors is not copied as it grows.
    entries.reserveCapacity(text.count / 128)
    var shapes = RecentShapes()
    var problem: SafetensorsProblem?
    do {
      try JSON.forEachEntry(parsing: text) { name, value in
        do throws(SafetensorsProblem) {
          if name == "__metadata__" {
            metadata = Result { () throws(SafetensorsProblem) in try Self.metadata(value) }
          } else if problem == nil {
            entries.append(
              try Self.entry(
                name: name, value, dataStart: byteCount, available: available, sharing: &shapes))
          }
        } catch { problem = error }
      }
    } catch {
      throw .headerNotJSON(error)
    }
    guard available >= 0 else {
      throw .headerBeyondEnd(length: text.count, available: max(0, fileByteCount - Self.prefixLength))
    }
    self.byteCount = byteCount
    self.metadata = try metadata.get()
    if let problem { throw problem }
    // Most are in order already.
    func isBefore(_ left: Entry, _ right: Entry) -> Bool {
      (left.byteRange.lowerBound, left.byteRange.upperBound)
        < (right.byteRange.lowerBound, right.byteRange.upperBound)
    }
    if !zip(entries, entries.dropFirst()).allSatisfy({ !isBefore($1, $0) }) { entries.sort(by: isBefore) }
    try Self.checkCoverage(of: entries, dataStart: byteCount, available: available)
    self.entries = entries
  }

  private static func metadata(_ value: JSON) throws(SafetensorsProblem) -> JSONObject {
    guard let metadata = value.objectValue else { throw .metadataNotObject(found: value.kind) }
    for (key, value) in metadata where value.stringValue == nil {
      throw .metadataValueNotString(key: key, found: value.kind)
    }
    return metadata
  }

  private static func entry(
    name: String, _ value: JSON, dataStart: Int, available: Int, sharing shapes: inout RecentShapes
  ) throws(SafetensorsProblem) -> Entry {
    guard let fields = value.objectValue else { throw .entryNotObject(tensor: name, found: value.kind) }
    func field(_ key: String) throws(SafetensorsProblem) -> JSON {
      guard let value = fields[key] else { throw .missingField(tensor: name, field: key) }
      return value
    }

    let dtypeField = try field("dtype")
    guard let dtypeName = dtypeField.stringValue else {
      throw .dtypeNotString(tensor: name, found: dtypeField.kind)
    }
    guard let dtype = DType(rawValue: dtypeName) else {
      throw .unknownDType(
        tensor: name, found: dtypeName,
        nearest: nearestName(to: dtypeName, among: DType.allCases.map(\.rawValue)))
    }

    let shapeField = try field("shape")
    guard let dimensions = shapeField.arrayValue else {
      throw .shapeNotArray(tensor: name, found: shapeField.kind)
    }
    var shape: [Int] = []
    shape.reserveCapacity(dimensions.count)
    for (position, dimension) in dimensions.enumerated() {
      guard let size = dimension.intValue, size >= 0 else {
        throw .badDimension(tensor: name, dimension: position + 1, found: dimension.text(.compact))
      }
      shape.append(size)
    }

    let offsetsField = try field("data_offsets")
    guard
      let offsets = offsetsField.arrayValue, offsets.count == 2,
      let begin = offsets[0].intValue, begin >= 0, let end = offsets[1].intValue, end >= 0
    else { throw .badOffsets(tensor: name, found: offsetsField.text(.compact)) }

    guard let elementCount = elementCount(of: shape) else {
      throw .sizeOverflow(tensor: name, dtype: dtype, shape: shape)
    }
    let (bitCount, overflow) = elementCount.multipliedReportingOverflow(by: dtype.bitWidth)
    if overflow { throw .sizeOverflow(tensor: name, dtype: dtype, shape: shape) }
    guard bitCount % 8 == 0 else { throw .partialByte(tensor: name, dtype: dtype, shape: shape) }

    guard begin <= end else { throw .offsetsReversed(tensor: name, begin: begin, end: end) }
    guard bitCount / 8 == end - begin else {
      throw .sizeMismatch(
        tensor: name, dtype: dtype, shape: shape, expected: bitCount / 8, found: end - begin)
    }
    guard end <= available else { throw .outOfBounds(tensor: name, end: end, available: available) }
    return Entry(
      name: name, dtype: dtype, shape: shapes.shared(shape), byteRange: dataStart + begin..<dataStart + end)
  }

  /// Checks that the ranges, in order, follow on each other from the first byte of the data to the last.
  private static func checkCoverage(
    of entries: [Entry], dataStart: Int, available: Int
  ) throws(SafetensorsProblem) {
    var covered = 0
    var last = ""
    for entry in entries {
      let begin = entry.byteRange.lowerBound - dataStart
      if begin < covered {
        throw .overlap(tensor: entry.name, other: last, begin: begin, otherEnd: covered)
      }
      if begin > covered { throw .hole(begin: covered, end: begin, before: entry.name) }
      covered = entry.byteRange.upperBound - dataStart
      last = entry.name
    }
    if covered < available { throw .bytesAfterLastTensor(count: available - covered) }
  }
}

/// The last few shapes: tensors that are alike hold one array.
private struct RecentShapes {
  private var shapes: [[Int]] = []
  private var oldest = 0
  private static let count = 8

  /// A shape, the same array as before if it is one of those.
  mutating func shared(_ shape: [Int]) -> [Int] {
    if let known = shapes.first(where: { $0 == shape }) { return known }
    if shapes.count < Self.count {
      shapes.append(shape)
    } else {
      shapes[oldest] = shape
      oldest = (oldest + 1) % Self.count
    }
    return shape
  }
}

/// The most dimensions that a tensor may have, and the most elements, counted without dimensions of zero: beyond all
/// that is real, and what is computed from them fits in `Int`.
enum ShapeLimits {
  static let dimensions = 64
  static let elements = 1 << 48
}

/// The product of the dimensions, or `nil` if one is negative or the shape is beyond the limits.
///
/// The product of the other dimensions counts where one is zero, so that nobody who multiplies in another order, or
/// sums over that one, gets into trouble.
func elementCount(of shape: [Int]) -> Int? {
  guard shape.count <= ShapeLimits.dimensions else { return nil }
  var product = 1
  for dimension in shape {
    guard dimension >= 0 else { return nil }
    let (next, overflow) = product.multipliedReportingOverflow(by: max(dimension, 1))
    if overflow || next > ShapeLimits.elements { return nil }
    product = next
  }
  return shape.contains(0) ? 0 : product
}
