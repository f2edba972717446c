import ArgumentParser
import Basics
import Checkpoints
import Glibc
import SystemPackage
import Tensors

/// `mergekit-lua inspect MODEL`: lists a checkpoint's tensors.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "List the tensors of a model.")

  @Argument(help: "A model's directory, or a safetensors file.", completion: .directory)
  var model: String

  @Flag(help: "Add mean, standard deviation, norm, least and greatest element, and the count of NaNs.")
  var stats = false

  @Flag(help: "Print JSON.")
  var json = false

  @Option(help: "Worker threads. (default: all cores)")
  var threads: Int?

  func validate() throws {
    if let threads { try HostOptions.check(threads: threads) }
  }

  func run() throws {
    let checkpoint = try Checkpoint(path: FilePath(model))
    for warning in checkpoint.warnings { Terminal.report(Diagnostic(.foreign(warning)), .warning) }
    var statistics: [TensorStatistics?] = []
    if stats {
      let reader = StatisticsReader(threads: threads ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
      statistics = try checkpoint.tensors.map(reader.statistics)
    }
    print(json ? jsonText(checkpoint, statistics) : tableText(checkpoint, statistics))
  }

  private func tableText(_ checkpoint: Checkpoint, _ statistics: [TensorStatistics?]) -> String {
    var header = ["tensor", "dtype", "shape", "bytes"]
    if stats { header += ["mean", "std", "norm", "min", "max", "NaN"] }
    var table = TextTable(header: header, rightAligned: Set(3..<10))
    for (index, tensor) in checkpoint.tensors.enumerated() {
      var row = [
        tensor.name, tensor.format.name, Shape(tensor.shape).description, String(tensor.storedByteCount),
      ]
      if stats {
        if let found = statistics[index] {
          row += [found.mean, found.deviation, found.norm, found.least, found.greatest].map(Numbers.short)
          row.append(String(found.nanCount))
        } else {
          row += Array(repeating: "-", count: 6)
        }
      }
      table.add(row)
    }
    let size = ByteSize.format(checkpoint.totalBytes)
    let files = Numbers.counted(checkpoint.files.count, "file")
    return "\(table.text)\n\n\(checkpoint.tensors.count) tensors, \(size) in \(files)"
  }

  private func jsonText(_ checkpoint: Checkpoint, _ statistics: [TensorStatistics?]) -> String {
    let tensors = checkpoint.tensors.enumerated().map { index, tensor -> JSON in
      var entry: JSONObject = [
        "name": .string(tensor.name), "dtype": .string(tensor.format.name),
        "shape": .array(tensor.shape.map { JSON($0) }), "bytes": JSON(tensor.storedByteCount),
      ]
      if stats, let found = statistics[index] {
        entry["mean"] = number(found.mean)
        entry["std"] = number(found.deviation)
        entry["norm"] = number(found.norm)
        entry["min"] = number(found.least)
        entry["max"] = number(found.greatest)
        entry["nan_count"] = JSON(found.nanCount)
      }
      return .object(entry)
    }
    let report: JSONObject = [
      "model": .string(model), "files": .array(checkpoint.files.map { .string($0.path.string) }),
      "total_bytes": JSON(checkpoint.totalBytes), "tensors": .array(tensors),
    ]
    return DisplayText.document(JSON.object(report).text(.pretty))
  }

  /// JSON has no NaN and no infinities.
  private func number(_ value: Double) -> JSON { value.isFinite ? JSON(value) : .null }
}

struct TensorStatistics {
  var mean: Double
  var deviation: Double
  var norm: Double
  var least: Double
  var greatest: Double
  var nanCount: Int
}

/// Computes statistics of stored tensors, all of one tensor in one sweep.
struct StatisticsReader {
  private let graph = ExpressionGraph()
  private let evaluator: Evaluator

  init(threads: Int) {
    evaluator = Evaluator(
      graph: graph,
      options: Evaluator.Options(threads: threads, isInterrupted: { Signals.interrupt.isRequested }))
  }

  /// `nil` for a dtype that is not computed with.
  func statistics(of tensor: StoredTensor) throws -> TensorStatistics? {
    guard tensor.dtype.isArithmetic else { return nil }
    let shape = Shape(tensor.shape)
    guard shape.count > 0 else {
      return TensorStatistics(mean: .nan, deviation: .nan, norm: 0, least: .nan, greatest: .nan, nanCount: 0)
    }
    let count = Double(shape.count)
    let x = try graph.stored(tensor.leaf, shape: shape)
    let isNaN = try graph.binary(.notEqual, x, x)
    let parts = try [
      graph.reduce(.sum, x, operation: "sum"), graph.reduce(.squares, x, operation: "norm"),
      graph.reduce(.minimum, x, operation: "min"), graph.reduce(.maximum, x, operation: "max"),
      graph.reduce(.sum, isNaN, operation: "sum"),
    ]
    var found: TensorStatistics?
    let call = DeferredCall(outputs: 1) { values in
      let (sum, squares) = (values[0], values[1])
      let variance = max(0, squares - sum * sum / count) / (count - 1)
      found = TensorStatistics(
        mean: sum / count, deviation: squares.isNaN ? .nan : variance.squareRoot(),
        norm: squares.squareRoot(),
        least: values[2], greatest: values[3], nanCount: Int(values[4]))
      return [0]
    }
    let result = try graph.deferred(parts, call)
    defer { (result + parts + [isNaN, x]).forEach(graph.release) }
    _ = try evaluator.value(of: result[0])
    return found
  }
}
