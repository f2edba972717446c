import Basics
import Tensors

/// Where every byte of a checkpoint to be written goes: planned whole before the first is written.
package struct SafetensorsLayout: Sendable {
  /// A tensor to be written.
  package struct Tensor: Sendable, Equatable {
    /// The name.
    package let name: String
    /// The element type.
    package let dtype: DType
    /// The sizes of the dimensions, outermost first.
    package let shape: [Int]

    /// A tensor of that name, type and shape.
    package init(name: String, dtype: DType, shape: [Int]) {
      self.name = name
      self.dtype = dtype
      self.shape = shape
    }
  }

  /// Where a tensor's data goes.
  package struct Placement: Sendable, Equatable {
    /// The position of the file in `shards`.
    package let shard: Int
    /// The data's first byte, from the start of the file. A multiple of the element's size.
    package let offset: Int
    /// The data's length in bytes.
    package let byteCount: Int
  }

  /// One file.
  package struct Shard: Sendable {
    /// The file's name: `model.safetensors`, or `model-00001-of-00003.safetensors` and so on.
    package let fileName: String
    /// What comes before the data: the header's length, and the header, padded to 8 bytes.
    package let header: [UInt8]
    /// The positions of its tensors in `tensors`, in the order of their data.
    package let tensors: [Int]
    /// The length of the whole file.
    package let byteCount: Int
  }

  /// The tensors, in the order given.
  package let tensors: [Tensor]

  /// Where each of `tensors` goes.
  package let placements: [Placement]

  /// The files.
  package let shards: [Shard]

  /// The text of `model.safetensors.index.json`; `nil` if one file holds everything.
  package let indexText: String?

  /// The bytes of all tensors.
  package let totalBytes: Int

  /// The bytes of all files, without the index.
  package let fileBytes: Int

  /// Plans the files of a checkpoint.
  ///
  /// Shards are filled in the order of the tensors up to `maximumShardBytes` of data; a tensor larger
  /// than that gets a shard of its own. Within a shard, tensors with wider elements come first, so that all
  /// data is aligned. `metadata` adds to the `{"format": "pt"}` of every header.
  ///
  /// - Parameter singleName: The name of the only file, where all are to be in one.
  ///
  /// Throws `LayoutError`.
  package init(
    tensors: [Tensor], maximumShardBytes: Int, metadata: [(key: String, value: String)] = [],
    singleName: String? = nil
  ) throws(LayoutError) {
    guard maximumShardBytes > 0 else { throw .badShardSize(maximumShardBytes) }
    let (byteCounts, totalBytes) = try Self.byteCounts(of: tensors)
    let groups = Self.groups(of: byteCounts, maximumBytes: singleName == nil ? maximumShardBytes : .max)

    var headerMetadata: JSONObject = ["format": .string("pt")]
    for (key, value) in metadata { headerMetadata[key] = .string(value) }

    var placements = [Placement](
      repeating: Placement(shard: 0, offset: 0, byteCount: 0), count: tensors.count)
    var shards: [Shard] = []
    var fileBytes = 0
    for (position, group) in groups.enumerated() {
      let order = group.sorted { tensors[$0].dtype.bitWidth > tensors[$1].dtype.bitWidth }
      let fileName = singleName ?? Self.fileName(position, of: groups.count)
      let header = try Self.header(
        of: order.map { (tensors[$0], byteCounts[$0]) }, metadata: headerMetadata, fileName: fileName)
      var end = header.count
      for tensor in order {
        placements[tensor] = Placement(shard: position, offset: end, byteCount: byteCounts[tensor])
        let (next, overflow) = end.addingReportingOverflow(byteCounts[tensor])
        if overflow { throw .tooLarge(tensor: tensors[tensor].name) }
        end = next
      }
      let (next, overflow) = fileBytes.addingReportingOverflow(end)
      if overflow { throw .tooLarge(tensor: tensors[order[order.count - 1]].name) }
      fileBytes = next
      shards.append(Shard(fileName: fileName, header: header, tensors: order, byteCount: end))
    }

    self.tensors = tensors
    self.placements = placements
    self.shards = shards
    self.totalBytes = totalBytes
    self.fileBytes = fileBytes
    indexText =
      shards.count > 1
      ? Self.indexText(tensors: tensors, placements: placements, shards: shards, totalBytes: totalBytes) : nil
  }

  /// The bytes of each tensor and of all, with every check on names and shapes.
  private static func byteCounts(of tensors: [Tensor]) throws(LayoutError) -> (each: [Int], total: Int) {
    var names = Set<ByteKey>(minimumCapacity: tensors.count)
    var each: [Int] = []
    each.reserveCapacity(tensors.count)
    var total = 0
    for tensor in tensors {
      guard names.insert(ByteKey(string: tensor.name)).inserted else {
        throw .duplicateName(tensor: tensor.name)
      }
      if tensor.name == "__metadata__" { throw .reservedName }
      guard let count = elementCount(of: tensor.shape), count <= Int.max / tensor.dtype.bitWidth else {
        throw .badShape(tensor: tensor.name, dtype: tensor.dtype, shape: tensor.shape)
      }
      guard let byteCount = tensor.dtype.byteCount(count) else {
        throw .partialByte(tensor: tensor.name, dtype: tensor.dtype, shape: tensor.shape)
      }
      let (sum, overflow) = total.addingReportingOverflow(byteCount)
      if overflow { throw .tooLarge(tensor: tensor.name) }
      total = sum
      each.append(byteCount)
    }
    return (each, total)
  }

  /// The positions of the tensors in each shard; one empty shard if there are no tensors.
  private static func groups(of byteCounts: [Int], maximumBytes: Int) -> [[Int]] {
    var groups: [[Int]] = [[]]
    var filled = 0
    for (tensor, byteCount) in byteCounts.enumerated() {
      // `filled` may be beyond the maximum, after a tensor that is larger.
      if !groups[groups.count - 1].isEmpty, filled > maximumBytes || byteCount > maximumBytes - filled {
        groups.append([])
        filled = 0
      }
      groups[groups.count - 1].append(tensor)
      filled += byteCount
    }
    return groups
  }

  private static func fileName(_ position: Int, of count: Int) -> String {
    count == 1 ? modelFileName : shardFileName(position + 1, of: count, prefix: "model-")
  }

  private static func header(
    of tensors: [(tensor: Tensor, byteCount: Int)], metadata: JSONObject, fileName: String
  ) throws(LayoutError) -> [UInt8] {
    // Entry by entry: the whole as a tree would take many times the room of its text.
    var text: [UInt8] = []
    // About what an entry takes beside its name.
    let entryLength = 96
    text.reserveCapacity(tensors.reduce(1024) { $0 + $1.tensor.name.utf8.count + entryLength })
    // The length, which is known in the end.
    text += repeatElement(0, count: SafetensorsHeader.prefixLength)
    text += #"{"__metadata__":"#.utf8
    text += JSON.object(metadata).utf8(.compact)
    var begin = 0
    for (tensor, byteCount) in tensors {
      // The sum of all sizes has been checked.
      let end = begin + byteCount
      let entry: JSON = .object([
        "dtype": .string(tensor.dtype.rawValue),
        "shape": .array(tensor.shape.map { JSON($0) }),
        "data_offsets": .array([JSON(begin), JSON(end)]),
      ])
      text.append(UInt8(ascii: ","))
      text += JSON.string(tensor.name).utf8(.compact)
      text.append(UInt8(ascii: ":"))
      text += entry.utf8(.compact)
      begin = end
    }
    text.append(UInt8(ascii: "}"))
    // Tensors begin at pages, and most are of whole pages: writes of tiles and maps of readers touch no page twice.
    text += repeatElement(UInt8(ascii: " "), count: (4096 - text.count % 4096) % 4096)
    let length = text.count - SafetensorsHeader.prefixLength
    guard length <= SafetensorsHeader.maximumLength else {
      throw .headerTooLong(fileName: fileName, length: length)
    }
    withUnsafeBytes(of: UInt64(length).littleEndian) {
      text.replaceSubrange(..<SafetensorsHeader.prefixLength, with: $0)
    }
    return text
  }

  /// The index as transformers writes it: two-space indent, names sorted by their bytes.
  private static func indexText(
    tensors: [Tensor], placements: [Placement], shards: [Shard], totalBytes: Int
  ) -> String {
    var weightMap = JSONObject()
    let order = tensors.indices.sorted {
      tensors[$0].name.utf8.lexicographicallyPrecedes(tensors[$1].name.utf8)
    }
    for tensor in order {
      weightMap[tensors[tensor].name] = .string(shards[placements[tensor].shard].fileName)
    }
    let index: JSONObject = [
      "metadata": .object(["total_size": JSON(totalBytes)]), "weight_map": .object(weightMap),
    ]
    return JSON.object(index).text(.pretty, trailingNewline: true)
  }
}
