import Basics
import SystemPackage

/// What happens while outputs are written, in its order. Progress display, log and whatever else follows a
/// run are consumers of these.
///
///     computing…, planned, (tensorBegun | tensorDone | warning)…, finished, computing…
///
/// Warnings come at any time, from scripts before anything is planned too. A run that fails ends without
/// `finished`.
package enum MergeEvent: Equatable, Sendable {
  /// An output that is on its way.
  package struct Output: Equatable, Sendable {
    package var path: FilePath
    package var tensors: Int
    package var bytes: Int

    package init(path: FilePath, tensors: Int, bytes: Int) {
      self.path = path
      self.tensors = tensors
      self.bytes = bytes
    }
  }

  /// A tensor of one of the planned outputs.
  package struct Tensor: Equatable, Sendable {
    package var name: String
    /// The position of its output among those planned.
    package var output: Int
    package var bytes: Int

    package init(name: String, output: Int, bytes: Int) {
      self.name = name
      self.output = output
      self.bytes = bytes
    }
  }

  /// Everything about the outputs is known, and nothing of their weights is written.
  case planned([Output])
  /// One sentence for the user; the run goes on.
  case warning(Diagnostic)
  /// The tensor's expression is built, and its elements are being computed.
  case tensorBegun(Tensor)
  /// All of its bytes are written.
  case tensorDone(Tensor)
  /// How far a part of a run is that computes numbers and writes nothing: so many of its steps are done.
  case computing(String, done: Int, of: Int)
  /// The outputs stand at their places.
  case finished([Output])
}

/// A consumer of a run's events; called on the thread that runs the merge.
package typealias MergeEventHandler = (MergeEvent) -> Void
