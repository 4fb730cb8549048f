// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The interface of the gateway's contract, written anew for the tests: same functions, events, layout and order of fields.
/// `MerkleAuditAnchor.json` beside it holds what solc 0.8.37 makes of it (`node .ci/contract.ts`).
contract MerkleAuditAnchor {
    struct Anchor {
        bytes32 merkleRoot;
        bytes32 prevMerkleRoot;
        uint256 recordCount;
        uint256 fromRecord;
        uint256 toRecord;
        uint256 blockNumber;
        uint256 timestamp;
        string systemId;
    }

    address public owner;
    Anchor[] public anchors;

    error OwnableUnauthorizedAccount(address account);

    event AnchorSubmitted(
        uint256 indexed anchorIndex,
        bytes32 merkleRoot,
        bytes32 prevMerkleRoot,
        uint256 recordCount
    );
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    modifier onlyOwner() {
        if (msg.sender != owner) revert OwnableUnauthorizedAccount(msg.sender);
        _;
    }

    constructor() {
        owner = msg.sender;
        emit OwnershipTransferred(address(0), msg.sender);
    }

    function transferOwnership(address newOwner) external onlyOwner {
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }

    function renounceOwnership() external onlyOwner {
        emit OwnershipTransferred(owner, address(0));
        owner = address(0);
    }

    function submitAnchor(
        bytes32 merkleRoot,
        bytes32 prevMerkleRoot,
        uint256 recordCount,
        uint256 fromRecord,
        uint256 toRecord,
        string calldata systemId
    ) external onlyOwner returns (uint256) {
        anchors.push(
            Anchor(
                merkleRoot,
                prevMerkleRoot,
                recordCount,
                fromRecord,
                toRecord,
                block.number,
                block.timestamp,
                systemId
            )
        );
        uint256 anchorIndex = anchors.length - 1;
        emit AnchorSubmitted(anchorIndex, merkleRoot, prevMerkleRoot, recordCount);
        return anchorIndex;
    }

    function getAnchor(uint256 index) external view returns (Anchor memory) {
        require(index < anchors.length, "no such anchor");
        return anchors[index];
    }

    function getLatestAnchor() external view returns (Anchor memory, uint256) {
        require(anchors.length > 0, "no anchors yet");
        return (anchors[anchors.length - 1], anchors.length - 1);
    }

    function getAnchorCount() external view returns (uint256) {
        return anchors.length;
    }
}
