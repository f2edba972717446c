/// Keeps a root as a mask.
final class MaskSink: SweepSink {
  private let root: Int
  private let mask: BitMask

  init(root: Int, mask: BitMask) {
    self.root = root
    self.mask = mask
  }

  func makeWorker<Element: BlockElement>(index: Int) -> SinkWorker<Element> { Worker(root: root, mask: mask) }

  private final class Worker<Element: BlockElement>: SinkWorker<Element> {
    private let root: Int
    private let mask: BitMask

    init(root: Int, mask: BitMask) {
      self.root = root
      self.mask = mask
    }

    /// Masks are of random numbers and ranks, which are float32, in programs of float32.
    override func consume(_ block: Range<Int>, _ instance: ProgramInstance<Element>) {
      if let bits = instance.bits(ofRoot: root) {
        return mask.store(bits: bits, start: block.lowerBound, count: block.count)
      }
      instance.root(root, count: block.count).withMemoryRebound(to: Float.self, capacity: block.count) {
        mask.store($0, start: block.lowerBound, count: block.count)
      }
    }
  }
}
