//! Blocks of several sizes, as a node would tell them, and what becomes of their proofs when one thing is changed.

use alloy::{
    consensus::{Receipt, ReceiptWithBloom, proofs::ordered_trie_root_encoded},
    primitives::{Address, Log, U256},
};
use argus_domain::chain::TxDraft;
use argus_ports::Signer;
use futures::executor::block_on;

use super::*;
use crate::{LocalSigner, anvil::DEV_KEYS};

fn signer() -> LocalSigner {
    LocalSigner::from_hex(&DEV_KEYS[3].into()).expect("a key")
}

fn transaction(nonce: u64) -> Bytes {
    let draft = TxDraft {
        chain: ChainId(31_337),
        nonce,
        to: Address::repeat_byte(9),
        value: U256::from(nonce),
        data: vec![7; nonce as usize % 40].into(),
        gas_limit: 100_000,
        max_fee_per_gas: 3,
        max_priority_fee_per_gas: 1,
    };
    block_on(signer().sign_transaction(&draft)).expect("signed").raw
}

fn receipt(success: bool, n: u64) -> Bytes {
    let data = U256::from(n).to_be_bytes::<32>().to_vec();
    let log = Log::new_unchecked(Address::repeat_byte(0xee), vec![B256::with_last_byte(1)], data.into());
    let receipt = Receipt { status: success.into(), cumulative_gas_used: 21_000 * (n + 1), logs: vec![log] };
    ReceiptEnvelope::Eip1559(ReceiptWithBloom::from(receipt)).encoded_2718().into()
}

/// One transaction of a block with this many, and the block's hash.
fn inclusion(size: u64, place: usize) -> Inclusion {
    let transactions: Vec<_> = (0..size).map(transaction).collect();
    let receipts: Vec<_> = (0..size).map(|n| receipt(true, n)).collect();
    let header = Header {
        number: 12,
        timestamp: 1_800_000_000,
        transactions_root: ordered_trie_root_encoded(&transactions),
        receipts_root: ordered_trie_root_encoded(&receipts),
        ..Header::default()
    };
    Inclusion {
        header: rlp::encode(&header).into(),
        index: place as u64,
        transaction: transactions[place].clone(),
        transaction_nodes: nodes(&transactions, place),
        receipt: receipts[place].clone(),
        receipt_nodes: nodes(&receipts, place),
    }
}

#[test]
fn each_place_of_a_block_is_shown() {
    // Keys get longer at 128 and at 256, and their order changes at 128.
    for (size, places) in [(1, vec![0]), (2, vec![0, 1]), (300, vec![0, 1, 127, 128, 255, 256, 299])] {
        for place in places {
            let inclusion = inclusion(size, place);
            let shown = included(&inclusion).unwrap_or_else(|error| panic!("{place} of {size}: {error}"));
            assert_eq!(shown.transaction, keccak256(transaction(place as u64)));
            assert_eq!((shown.signer, shown.to), (signer().address(), Some(Address::repeat_byte(9))));
            assert_eq!((shown.chain, shown.value), (Some(ChainId(31_337)), U256::from(place)));
            assert_eq!((shown.success, shown.logs.len()), (true, 1));
            assert_eq!((shown.block.number, shown.block.hash), (12, keccak256(&inclusion.header)));
        }
    }
}

#[test]
fn whatever_is_put_in_its_place_is_found() {
    type Change = fn(&mut Inclusion);
    let changes: [(&str, Change, NotIncluded); 8] = [
        ("a failed receipt", |i| i.receipt = receipt(false, 5), NotIncluded::ReceiptElsewhere),
        ("another log", |i| i.receipt = receipt(true, 6), NotIncluded::ReceiptElsewhere),
        ("another transaction", |i| i.transaction = transaction(6), NotIncluded::TransactionElsewhere),
        ("another place", |i| i.index = 6, NotIncluded::TransactionElsewhere),
        ("a node less", |i| drop(i.transaction_nodes.pop()), NotIncluded::TransactionElsewhere),
        ("no nodes", |i| i.receipt_nodes.clear(), NotIncluded::ReceiptElsewhere),
        (
            "another root of transactions",
            |i| {
                let header = Header { receipts_root: header(i).receipts_root, ..Header::default() };
                i.header = rlp::encode(header).into();
            },
            NotIncluded::TransactionElsewhere,
        ),
        (
            "more behind the header",
            |i| i.header = [&i.header[..], &[0]].concat().into(),
            NotIncluded::Header("there is more behind it".to_owned()),
        ),
    ];
    for (what, change, found) in changes {
        let mut changed = inclusion(20, 5);
        change(&mut changed);
        assert_eq!(included(&changed), Err(found), "{what}");
    }
    // Each byte of each node and of header, transaction and receipt: either it is found, or the block is another one.
    let good = inclusion(20, 5);
    let hash = included(&good).expect("shown").block.hash;
    let mut parts = [good.header.len(), good.transaction.len(), good.receipt.len()].to_vec();
    parts.extend(good.transaction_nodes.iter().chain(&good.receipt_nodes).map(|node| node.len()));
    for (part, length) in parts.into_iter().enumerate() {
        for at in 0..length {
            let mut changed = good.clone();
            let mut all = vec![&mut changed.header, &mut changed.transaction, &mut changed.receipt];
            all.extend(changed.transaction_nodes.iter_mut().chain(&mut changed.receipt_nodes));
            let mut bytes = all[part].to_vec();
            bytes[at] ^= 1;
            *all[part] = bytes.into();
            let is_same = included(&changed).is_ok_and(|shown| shown.block.hash == hash);
            assert!(!is_same, "byte {at} of part {part}");
        }
    }
}

fn header(inclusion: &Inclusion) -> Header {
    Header::decode(&mut inclusion.header.as_ref()).expect("a header")
}
