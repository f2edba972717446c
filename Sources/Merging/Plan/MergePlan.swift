import Checkpoints
import Tensors

/// Everything about an output that is known before its first byte: its tensors in order, with shape,
/// dtype, shard and place.
package struct MergePlan {
  package struct Tensor {
    package let name: String
    package let shape: Shape
    package let dtype: DType
  }

  /// What is written.
  package let model: any LazyModel
  package let tensors: [Tensor]
  package let layout: SafetensorsLayout

  /// Plans how `model` is written.
  ///
  /// `dtype` stands in for every floating-point dtype; shards hold up to `maximumShardBytes`.
  ///
  /// - Parameter singleName: The name of the only file, where all is to be in one.
  package init(
    model: any LazyModel, dtype: DType?, maximumShardBytes: Int, singleName: String? = nil
  ) throws {
    var tensors: [Tensor] = []
    tensors.reserveCapacity(model.names.count)
    for name in model.names {
      let specification: TensorSpecification
      do {
        specification = try model.requireSpecification(of: name)
      } catch { throw MergeError.locate(error, inTensor: name) }
      let own = specification.dtype
      tensors.append(
        Tensor(name: name, shape: specification.shape, dtype: own.isArithmetic ? dtype ?? own : own))
    }
    guard !tensors.isEmpty else { throw MergeError.noTensors(model: model.label) }
    self.model = model
    self.tensors = tensors
    layout = try SafetensorsLayout(
      tensors: tensors.map {
        SafetensorsLayout.Tensor(name: $0.name, dtype: $0.dtype, shape: $0.shape.dimensions)
      }, maximumShardBytes: maximumShardBytes,
      // What a checkpoint's files note is theirs: a copy of its tensors is another file.
      metadata: model is CheckpointModel ? [] : model.metadata,
      // PEFT reads adapters from one file.
      singleName: singleName ?? (model.adapterConfig == nil ? nil : WeightsLocation.adapterFileName))
  }

  /// Plans how an output is written.
  package init(_ output: Output) throws {
    try self.init(
      model: output.model, dtype: output.options.dtype,
      maximumShardBytes: output.options.maximumShardBytes, singleName: output.fileName)
  }

  /// The dtype of all floating-point tensors, if there is one.
  package var commonDType: DType? {
    let dtypes = Set(tensors.map(\.dtype).filter(\.isArithmetic))
    return dtypes.count == 1 ? dtypes.first : nil
  }
}

/// What a merge reads of one file.
package struct FileUse {
  package let path: String
  package let bytes: Int
  package let tensors: Int
}

extension MergePlan {
  /// The files that the expressions of `models` read, with the bytes of the tensors that are used.
  package static func filesRead(by models: [any LazyModel], graph: ExpressionGraph) throws -> [FileUse] {
    var order: [String] = []
    var used: [String: [String: Int]] = [:]
    for (model, name) in models.flatMap({ model in model.names.map { (model, $0) } }) {
      let node: NodeID
      do { node = try model.expression(for: name) } catch { throw MergeError.locate(error, inTensor: name) }
      defer { graph.release(node) }
      for leaf in graph.storedLeaves(below: node) {
        guard let origin = leaf.source.provenance else { continue }
        if used[origin.file] == nil { order.append(origin.file) }
        used[origin.file, default: [:]][origin.tensor] = origin.byteCount
      }
    }
    return order.map { path in
      FileUse(path: path, bytes: used[path]!.values.reduce(0, +), tensors: used[path]!.count)
    }
  }
}
