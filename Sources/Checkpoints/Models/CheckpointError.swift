import Basics
import SystemPackage
import Tensors

/// Why the bytes of one file are not valid safetensors.
package struct SafetensorsError: Equatable, DiagnosableError {
  /// The file.
  package let path: FilePath
  /// What is wrong with it.
  package let problem: SafetensorsProblem

  package var diagnostic: Diagnostic {
    var diagnostic = problem.diagnostic.inFile(path.string)
    diagnostic.cause = self
    return diagnostic
  }
}

/// What can be wrong with a safetensors file. Offsets count from the end of the header.
package enum SafetensorsProblem: Equatable, DiagnosableError {
  case tooShort(byteCount: Int)
  case gitLFSPointer
  case webPage
  case headerTooLong(length: UInt64)
  case headerBeyondEnd(length: Int, available: Int)
  case headerEmpty
  case headerStart(byte: UInt8)
  case headerNotJSON(JSONError)
  case metadataNotObject(found: String)
  case metadataValueNotString(key: String, found: String)
  case entryNotObject(tensor: String, found: String)
  case missingField(tensor: String, field: String)
  case dtypeNotString(tensor: String, found: String)
  case unknownDType(tensor: String, found: String, nearest: String?)
  case shapeNotArray(tensor: String, found: String)
  case badDimension(tensor: String, dimension: Int, found: String)
  case badOffsets(tensor: String, found: String)
  case sizeOverflow(tensor: String, dtype: DType, shape: [Int])
  case partialByte(tensor: String, dtype: DType, shape: [Int])
  case offsetsReversed(tensor: String, begin: Int, end: Int)
  case outOfBounds(tensor: String, end: Int, available: Int)
  case sizeMismatch(tensor: String, dtype: DType, shape: [Int], expected: Int, found: Int)
  case overlap(tensor: String, other: String, begin: Int, otherEnd: Int)
  case hole(begin: Int, end: Int, before: String)
  case bytesAfterLastTensor(count: Int)

  package var diagnostic: Diagnostic {
    let diagnostic = Diagnostic(message)
    if case .unknownDType(_, _, let nearest) = self { return diagnostic.suggesting(nearest) }
    return diagnostic
  }

  private var message: DiagnosticMessage {
    switch self {
    case .tooShort(0): "the file is empty"
    case .tooShort(let byteCount):
      "the file has \(bytes(byteCount)); a safetensors file has at least 8, the length of its header"
    case .gitLFSPointer:
      "this is Git LFS's pointer to the file, not the file itself; `git lfs pull` fetches it"
    case .webPage: "this is a web page, not weights; the download went wrong"
    case .headerTooLong(let length):
      "a header of \(length) bytes is announced; at most \(SafetensorsHeader.maximumLength) are allowed"
    case .headerBeyondEnd(let length, let available):
      "a header of \(bytes(length)) is announced, but only \(available) follow; the file is truncated"
    case .headerEmpty: "the header is empty; expected a JSON object"
    case .headerStart(let byte):
      "expected '{' at the start of the header, found byte \(hexadecimal(byte)); is this a safetensors file?"
    case .headerNotJSON(let error): "the header is not valid JSON: \(error)"
    case .metadataNotObject(let found):
      "\"__metadata__\": expected an object of strings, found \(found)"
    case .metadataValueNotString(let key, let found):
      "\"__metadata__\": expected a string for \(name: key), found \(found)"
    case .entryNotObject(let tensor, let found):
      "tensor \(tensor: tensor): expected an object with dtype, shape and data_offsets, found \(found)"
    case .missingField(let tensor, let field): "tensor \(tensor: tensor) has no \(field)"
    case .dtypeNotString(let tensor, let found):
      "tensor \(tensor: tensor): expected a string as dtype, found \(found)"
    case .unknownDType(let tensor, let found, _):
      "tensor \(tensor: tensor): unknown dtype \(name: found)"
    case .shapeNotArray(let tensor, let found):
      "tensor \(tensor: tensor): expected an array of integers as shape, found \(found)"
    case .badDimension(let tensor, let dimension, let found):
      "tensor \(tensor: tensor): expected dimension \(dimension) of the shape to be an integer from 0 on, "
        + "found \(found)"
    case .badOffsets(let tensor, let found):
      "tensor \(tensor: tensor): expected data_offsets to be two integers from 0 on, found \(found)"
    case .sizeOverflow(let tensor, let dtype, let shape):
      shape.count > ShapeLimits.dimensions
        ? "tensor \(tensor: tensor): expected at most \(ShapeLimits.dimensions) dimensions, found \(shape.count)"
        : "tensor \(tensor: tensor): the size of \(dtype.rawValue) \(shape) is beyond 2^48 elements"
    case .partialByte(let tensor, let dtype, let shape):
      "tensor \(tensor: tensor): \(dtype.rawValue) \(shape) does not end on a whole byte"
    case .offsetsReversed(let tensor, let begin, let end):
      "tensor \(tensor: tensor): its data begins at \(begin), after its end at \(end)"
    case .outOfBounds(let tensor, let end, let available):
      "tensor \(tensor: tensor): its data ends at \(end), but the file has only \(bytes(available)) of data; "
        + "the file is truncated"
    case .sizeMismatch(let tensor, let dtype, let shape, let expected, let found):
      "tensor \(tensor: tensor): \(dtype.rawValue) \(shape) takes \(bytes(expected)), but its data_offsets "
        + "span \(found)"
    case .overlap(let tensor, let other, let begin, let otherEnd):
      "tensor \(tensor: tensor): its data begins at \(begin), within that of \(tensor: other), which ends at "
        + "\(otherEnd)"
    case .hole(let begin, let end, let before):
      "the data from \(begin) to \(end), before tensor \(tensor: before), belongs to no tensor"
    case .bytesAfterLastTensor(let count): "\(bytes(count)) after the last tensor belong to none"
    }
  }
}

/// Why a checkpoint cannot be opened, read or written.
package enum CheckpointError: Equatable, DiagnosableError {
  case truncated(path: FilePath, tensor: String, expected: Int, fileByteCount: Int)
  case readBeyondTensor(label: String, offset: Int, count: Int, byteCount: Int)

  case noSuchPath(path: FilePath, nearest: FilePath?)
  case danglingLink(path: FilePath)
  case notCheckpoint(path: FilePath)
  case unsupportedFormat(path: FilePath, fileName: String?)
  case onlyAdapter(directory: FilePath, fileName: String)
  case noWeights(directory: FilePath)
  /// A model's folder in the hub's cache, which holds snapshots of it.
  case cacheFolder(directory: FilePath, snapshot: String?)
  case severalIndexes(directory: FilePath, fileNames: [String])
  /// Files that are each a model by themselves.
  case severalModels(directory: FilePath, fileNames: [String])
  case incompleteShards(directory: FilePath, missing: [String])
  /// A model that was split for several processors, which cannot be put together.
  case partsNotJoined(directory: FilePath, tensor: String, reason: String)
  case duplicateTensor(tensor: String, first: FilePath, second: FilePath)

  case noSuchAdapter(path: FilePath, nearest: FilePath?)
  case notAdapter(path: FilePath, isModel: Bool)
  case noAdapterConfig(directory: FilePath)

  case badWeightMap(index: FilePath, found: String?)
  case shardNotString(index: FilePath, tensor: String, found: String)
  case badShardName(index: FilePath, tensor: String, shard: String)
  case shardOfOtherFormat(index: FilePath, tensor: String, shard: String, suffix: String)
  case missingShard(index: FilePath, tensor: String, shard: String)
  case tensorNotInShard(index: FilePath, tensor: String, shard: String)

  case diskFull(directory: FilePath, needed: Int, free: Int)

  package var diagnostic: Diagnostic {
    let diagnostic = Diagnostic(message)
    return switch self {
    case .noSuchPath(let path, let nearest), .noSuchAdapter(let path, let nearest):
      diagnostic.suggesting(nearest?.string).inFile(path.string)
    case .truncated(let path, _, _, _), .danglingLink(let path), .notCheckpoint(let path),
      .unsupportedFormat(let path, _), .onlyAdapter(let path, _), .noWeights(let path),
      .cacheFolder(let path, _), .severalIndexes(let path, _), .severalModels(let path, _),
      .incompleteShards(let path, _), .partsNotJoined(let path, _, _),
      .notAdapter(let path, _), .noAdapterConfig(let path), .badWeightMap(let path, _),
      .shardNotString(let path, _, _), .badShardName(let path, _, _),
      .shardOfOtherFormat(let path, _, _, _), .missingShard(let path, _, _),
      .tensorNotInShard(let path, _, _), .diskFull(let path, _, _):
      diagnostic.inFile(path.string)
    case .readBeyondTensor, .duplicateTensor: diagnostic
    }
  }

  private var message: DiagnosticMessage {
    switch self {
    case .truncated(_, let tensor, let expected, let fileByteCount):
      "the file is truncated: tensor \(tensor: tensor) needs \(bytes(expected)) of the file, which "
        + "has \(fileByteCount) now"
    case .readBeyondTensor(let label, let offset, let count, let byteCount):
      "\(label): cannot read \(bytes(count)) from byte \(offset) on; the tensor has \(byteCount)"

    case .noSuchPath:
      "no such file or directory; expected a directory with \(modelFileName), or a .safetensors or "
        + ".safetensors.index.json file"
    case .danglingLink: "the target of this symbolic link does not exist"
    case .notCheckpoint:
      "not a checkpoint; expected a directory, or a .safetensors or .safetensors.index.json file"
    case .unsupportedFormat(_, nil): "weights in a format that is not read; convert them to safetensors"
    case .unsupportedFormat(_, let fileName?):
      "has only weights in a format that is not read, such as \(fileName); convert them to safetensors"
    case .onlyAdapter(_, let fileName):
      "has only adapter weights, \(fileName); expected a whole model"
    case .cacheFolder(let directory, nil):
      "this is a model's folder in the hub's cache, not the model, which is in one of the folders of "
        + "\(directory)/snapshots"
    case .cacheFolder(let directory, let snapshot?):
      "this is a model's folder in the hub's cache, not the model, which is in \(directory)/snapshots/\(snapshot)"
    case .noWeights:
      "no weights in this directory; expected \(modelFileName), \(indexFileName) or other "
        + ".safetensors files"
    case .severalIndexes(_, let fileNames):
      "several indexes, \(fileNames.joined(separator: ", ")); give the path of one of them"
    case .severalModels(_, let fileNames):
      "several models, \(fileNames.prefix(5).joined(separator: ", "))"
        + (fileNames.count > 5 ? " and \(fileNames.count - 5) more" : "") + "; give the path of one of them"
    case .incompleteShards(_, let missing):
      missing.count > 1
        ? "\(missing[0]) does not exist, nor do \(missing.count - 1) more shards of its set"
        : "\(missing[0]) does not exist"
    case .partsNotJoined(_, let tensor, let reason):
      "consolidated.00.pth and the others are parts of a model that was split for several processors, and tensor "
        + "\(tensor: tensor) cannot be put together: \(reason); transformers' convert_llama_weights_to_hf.py "
        + "writes a whole model"
    case .duplicateTensor(let tensor, let first, let second):
      "tensor \(tensor: tensor) is in two files, \(first) and \(second), and no index says which one counts"

    case .noSuchAdapter:
      "no such file or directory; expected an adapter, a directory with adapter_config.json and "
        + "adapter_model.safetensors"
    case .notAdapter(_, let isModel):
      "expected an adapter, with adapter_model.safetensors or adapter_model.bin; "
        + "\(words: isModel ? "this is a whole model" : "there are no weights of one")"
    case .noAdapterConfig:
      "has no adapter_config.json, which says how its weights are put on a model"

    case .badWeightMap(_, nil): "expected an object \"weight_map\" of tensor names and file names"
    case .badWeightMap(_, let found?):
      "expected an object \"weight_map\" of tensor names and file names, found \(found)"
    case .shardNotString(_, let tensor, let found):
      "tensor \(tensor: tensor): expected a file name, found \(found)"
    case .badShardName(_, let tensor, let shard):
      "tensor \(tensor: tensor): expected a file name relative to the index and without \"..\", "
        + "found \(name: shard)"
    case .shardOfOtherFormat(_, let tensor, let shard, let suffix):
      "tensor \(tensor: tensor): expected a \(suffix) file, found \(name: shard)"
    case .missingShard(_, let tensor, let shard):
      "tensor \(tensor: tensor) is in \(name: shard), which does not exist"
    case .tensorNotInShard(_, let tensor, let shard):
      "tensor \(tensor: tensor) is not in \(name: shard), where the index has it"

    case .diskFull(_, let needed, let free):
      "the disk is full: the checkpoint needs \(ByteSize.format(needed)), "
        + "\(ByteSize.format(free)) were free"
    }
  }
}

extension CheckpointError {
  static func diskFull(_ space: DiskSpace, free: Int) -> CheckpointError {
    .diskFull(directory: space.directory, needed: space.needed, free: free)
  }
}

/// Why tensors cannot be laid out as safetensors.
package enum LayoutError: Equatable, DiagnosableError {
  case duplicateName(tensor: String)
  case reservedName
  case badShape(tensor: String, dtype: DType, shape: [Int])
  case partialByte(tensor: String, dtype: DType, shape: [Int])
  case tooLarge(tensor: String)
  case headerTooLong(fileName: String, length: Int)
  case badShardSize(Int)

  package var diagnostic: Diagnostic { Diagnostic(message) }

  private var message: DiagnosticMessage {
    switch self {
    case .duplicateName(let tensor): "two output tensors have the name \(tensor: tensor)"
    case .reservedName: "a tensor cannot have the name \"__metadata__\""
    case .badShape(let tensor, let dtype, let shape):
      "tensor \(tensor: tensor): \(dtype.rawValue) \(shape) has a negative dimension or a size beyond "
        + "64 bits"
    case .partialByte(let tensor, let dtype, let shape):
      SafetensorsProblem.partialByte(tensor: tensor, dtype: dtype, shape: shape).diagnostic.message
    case .tooLarge(let tensor): "with tensor \(tensor: tensor) the checkpoint's size is beyond 64 bits"
    case .headerTooLong(let fileName, let length):
      "\(fileName) would have a header of \(bytes(length)); readers accept "
        + "\(SafetensorsHeader.maximumLength), so choose a smaller shard size"
    case .badShardSize(let size): "expected a shard size of at least 1 byte, found \(size)"
    }
  }
}

private func bytes(_ count: Int) -> String { count == 1 ? "1 byte" : "\(count) bytes" }
